import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { injectWallet } from '../stands/wallet.ts'
import { expect, test } from './embedded-fixture.ts'
import { connect } from './fixtures.ts'

// the fake's serial line repeats what is typed
const [buyer, nextHolder] = [4, 5]

test('L5 T6 O6 through the front server: a console ends when the pass moves; the new holder is told, and reinstalls', async ({
  page,
  context,
  stand,
}) => {
  test.setTimeout(120_000)
  const freehold = async (...args: string[]) => {
    const { code, stdout, stderr } = await stand.freehold(...args)
    expect(code, stderr).toBe(0)
    return stdout
  }
  const bought = await freehold('--json', '--dev-wallet', String(buyer), 'buy', 'Small', '--for', '2d')
  const { vmId } = JSON.parse(bought) as { vmId: string }
  const wallet = await injectWallet(page, { rpcUrl: stand.rpcUrl, keys: [devWallet(buyer).privateKey] })
  await page.goto(`${stand.origin}/vms/${vmId}/console`)
  await connect(page)
  await page.getByRole('button', { name: 'Sign and open the console' }).click()
  await expect(page.getByText('Open', { exact: true })).toBeVisible()
  await page.keyboard.type('is anybody there')
  await expect(page.getByRole('listitem').filter({ hasText: 'is anybody there' })).toBeVisible()
  const to = devWallet(nextHolder).address
  await freehold('--dev-wallet', String(buyer), 'transfer', vmId, to, '--confirm', to)
  await expect(page.getByText('The access pass has moved to another wallet.')).toBeVisible({ timeout: 30_000 })
  wallet.close()

  const theirs = await context.newPage()
  const second = await injectWallet(theirs, { rpcUrl: stand.rpcUrl, keys: [devWallet(nextHolder).privateKey] })
  await theirs.goto(`${stand.origin}/vms/${vmId}`)
  await connect(theirs)
  await theirs.getByRole('button', { name: 'Sign in', exact: true }).click()
  await expect(theirs.getByText('Another wallet was root in this VM')).toBeVisible()
  const hostKey = await theirs.getByRole('group', { name: 'Host key fingerprint' }).textContent()
  const command = (await theirs.getByRole('group', { name: 'SSH command' }).textContent()) ?? ''
  await theirs.getByRole('button', { name: 'Reinstall…' }).click()
  await theirs.getByLabel(/^Type vm-/).fill(`vm-${vmId.split('-')[1]}`)
  await theirs.getByRole('button', { name: 'Sign and reinstall' }).click()
  await expect(theirs.getByText(/^Step \d of \d: /)).toBeVisible()
  await expect(theirs.getByText('Running', { exact: true })).toBeVisible({ timeout: 60_000 })
  await expect(theirs.getByText('Another wallet was root in this VM')).toHaveCount(0)
  await expect(theirs.getByRole('group', { name: 'SSH command' })).toHaveText(command)
  await expect(theirs.getByRole('group', { name: 'Host key fingerprint' })).not.toHaveText(hostKey ?? '')
  second.close()
})
