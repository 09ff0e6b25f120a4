import { Contract, Interface } from 'ethers'
import { connect, expect, signIn, signedIn, tabTo, test } from './fixtures.ts'

const erc20 = new Interface(['function allowance(address, address) view returns (uint256)', 'function approve(address, uint256)'])
const dayText = /in \d+ days/

test('S7 X5 nobody signed in sees no VM; signed in, an address without passes is told so', async ({ page, stand, useWallet }) => {
  await useWallet([6])
  await page.goto(`${stand.origin}/my`)
  await expect(page.getByRole('article')).toHaveCount(0)
  await signIn(page, stand)
  await expect(page.getByRole('heading', { name: 'No VMs yet' })).toBeVisible()
  await expect(page.getByRole('main').getByRole('link', { name: 'See the plans' })).toBeVisible()
})

test('S10 a VM of another wallet is not shown, and the reason is', async ({ page, stand, useWallet }) => {
  const vmId = await stand.buy(stand.wallet(5))
  await useWallet([6])
  await signedIn(page, stand)
  await page.goto(`${stand.origin}/vms/${vmId}`)
  await expect(page.getByRole('alert').filter({ hasText: 'vm-unknown' })).toBeVisible()
  await expect(page.getByText('ssh -p')).toHaveCount(0)
})

test('A3 a sign-in declined in the wallet leaves nobody signed in', async ({ page, stand, useWallet }) => {
  const wallet = await useWallet([5])
  await page.goto(`${stand.origin}/my`)
  await connect(page)
  wallet.mood = 'decline'
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await expect(page.getByRole('alert').filter({ hasText: 'You declined it in the wallet' })).toBeFocused()
  expect((await page.context().cookies()).map((c) => c.name)).not.toContain('__Host-freehold')
})

test('S9 S11 the holder sees ssh line, known_hosts line, state and end with zone and distance', async ({
  page,
  stand,
  useWallet,
  context,
}) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  const vmId = await stand.buy(stand.wallet(5))
  await useWallet([5])
  await signIn(page, stand)
  await page.getByRole('link', { name: `Manage vm-${vmId.split('-')[1]}`, exact: true }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(`vm-${vmId.split('-')[1]}`)
  await expect(page.getByText('Running', { exact: true })).toBeVisible()
  await expect(page.getByText(/UTC, in \d+ days/).first()).toBeVisible()
  const line = page.getByRole('group', { name: 'Line for known_hosts' })
  await expect(line).toContainText(/^\[127\.0\.0\.1\]:\d+ ssh-ed25519 /)
  await page.getByRole('button', { name: 'Copy Line for known_hosts' }).click()
  expect(await page.evaluate('navigator.clipboard.readText()')).toBe(await line.textContent())
  for (const [what, value] of [
    ['User', 'owner'],
    ['Host', '127.0.0.1'],
    ['IPv6', '2001:db8:77::11'],
  ] as const) {
    await page.getByRole('button', { name: `Copy ${what}`, exact: true }).click()
    expect(await page.evaluate('navigator.clipboard.readText()'), what).toBe(value)
  }
})

test('X8 O3 an action that is not possible is disabled and says why, also to keyboard and screen reader', async ({
  page,
  stand,
  useWallet,
}) => {
  const vmId = await stand.buy(stand.wallet(5))
  await useWallet([5])
  await signedIn(page, stand)
  await page.goto(`${stand.origin}/vms/${vmId}`)
  const start = page.getByRole('button', { name: 'Start', exact: true })
  await expect(start).toHaveAttribute('aria-disabled', 'true')
  await expect(start).toHaveAccessibleDescription('Only for stopped VMs.')
  await tabTo(page, 'button', 'Stop')
  await page.keyboard.press('Enter')
  await expect(page.getByText('Stopped', { exact: true })).toBeVisible()
  await expect(start).not.toHaveAttribute('aria-disabled')
})

test('S11 X12 by keyboard alone: an extension is priced, paid, and moves the end; the days of suspension are named as the end comes near', async ({
  page,
  stand,
  useWallet,
}) => {
  const vmId = await stand.buy(stand.wallet(5), 5)
  await useWallet([5])
  await signedIn(page, stand)
  await page.goto(`${stand.origin}/vms/${vmId}`)
  await expect(page.getByText(/^Ends in 4 days$/)).toBeVisible()
  await expect(page.getByText('suspended then and deleted 7 days later', { exact: false })).toBeVisible()
  await tabTo(page, 'textbox', 'Days to add')
  await page.keyboard.press('Control+A')
  await page.keyboard.type('200')
  await expect(page.getByLabel('Days to add')).toHaveAttribute('aria-invalid', 'true')
  await page.keyboard.press('Backspace')
  await tabTo(page, 'button', /^Extend for 0.02/)
  await page.keyboard.press('Enter')
  await expect(page.getByText('Extended.', { exact: false })).toBeVisible()
  await expect(page.getByText(/^Ends in 4 days$/)).toHaveCount(0)
  await expect(page.getByText(/in 2[45] days/).first()).toBeVisible()
})

test('S12 a transfer warns first, wants the tick, and moves the VM to the new holder', async ({ page, stand, useWallet }) => {
  const vmId = await stand.buy(stand.wallet(5))
  await useWallet([5])
  await signedIn(page, stand)
  await page.goto(`${stand.origin}/vms/${vmId}`)
  await expect(page.getByText('Whoever holds the pass has access')).toBeVisible()
  const submit = page.getByRole('button', { name: 'Transfer the pass' })
  await expect(submit).toHaveAccessibleDescription('Tick the line above first.')
  await page.getByLabel('New holder').fill('0x1234')
  await page.getByLabel('I understand that I lose this VM').check()
  await submit.click()
  await expect(page.getByLabel('New holder')).toHaveAttribute('aria-invalid', 'true')
  await page.getByLabel('New holder').fill(stand.wallet(9).address)
  await submit.click()
  await expect(page.getByText(/^Sent\. The pass is with 0x/)).toBeVisible()
  await expect(page.getByText('ssh -p')).toHaveCount(0)
  expect((await stand.world.vm(BigInt(vmId.split('-')[1] ?? 0)))?.subscription.holder).toBe(stand.wallet(9).address)
})

test('X9 a cancel lists what is lost, wants the name typed, closes with Escape, gives the focus back, and pays back', async ({
  page,
  stand,
  useWallet,
}) => {
  const vmId = await stand.buy(stand.wallet(7))
  await useWallet([7])
  await signedIn(page, stand)
  await page.goto(`${stand.origin}/vms/${vmId}`)
  const opener = page.getByRole('button', { name: 'Cancel the subscription…' })
  await tabTo(page, 'button', 'Cancel the subscription…')
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog')
  await expect(dialog).toContainText('There is no other copy')
  await expect(dialog).toContainText(/You get back 0\.02\d*\sETH/)
  await page.keyboard.press('Escape')
  await expect(dialog).toHaveCount(0)
  await expect(opener).toBeFocused()
  await page.keyboard.press('Enter')
  const name = `vm-${vmId.split('-')[1]}`
  const confirm = dialog.getByRole('button', { name: 'Cancel and delete the VM' })
  await dialog.getByLabel(`Type ${name} to confirm`).fill('vm-')
  await expect(confirm).toHaveAccessibleDescription('Type the name first.')
  await confirm.click({ force: true })
  await expect(dialog).toBeVisible()
  await dialog.getByLabel(`Type ${name} to confirm`).fill(name)
  await confirm.click()
  await expect(dialog).toHaveCount(0)
  await expect(page.getByText('Cancelled. The refund is under My VMs.')).toBeVisible()
  await expect(page.getByText('ssh -p')).toHaveCount(0)
  await page.goto(`${stand.origin}/my`)
  await expect(page.getByRole('button', { name: /^Withdraw 0.02/ })).toBeVisible()
})

test('X9 S13 a reinstall wants the name and a signature for that act alone', async ({ page, stand, useWallet }) => {
  const vmId = await stand.buy(stand.wallet(5))
  const wallet = await useWallet([5])
  await signedIn(page, stand)
  await page.goto(`${stand.origin}/vms/${vmId}`)
  await page.getByRole('button', { name: 'Reinstall' }).click()
  await page
    .getByRole('dialog')
    .getByLabel(/^Type vm-/)
    .fill(`vm-${vmId.split('-')[1]}`)
  await page.getByRole('button', { name: 'Sign and reinstall' }).click()
  await expect(page.getByText('Reinstall has begun.')).toBeVisible()
  const signed = wallet.calls.findLast((c) => c.method === 'personal_sign')?.params[0]
  expect(Buffer.from(String(signed).slice(2), 'hex').toString()).toContain(`Reinstall VM ${vmId} from`)
})

test('S13 X9 a snapshot is taken and listed; rolling back names what is lost, wants the name, and a signature for that act alone', async ({
  page,
  stand,
  useWallet,
}) => {
  const vmId = await stand.buy(stand.wallet(5))
  const wallet = await useWallet([5])
  await signedIn(page, stand)
  await page.goto(`${stand.origin}/vms/${vmId}`)
  const back = page.getByRole('button', { name: 'Roll back', exact: false })
  await expect(back).toHaveAccessibleDescription('There is no snapshot.')
  await page.getByRole('button', { name: 'Take a snapshot' }).click()
  await expect(page.getByText('Take a snapshot has begun.')).toBeVisible()
  await expect(page.getByText('Snapshots: snapshot-1')).toBeVisible()
  await back.click()
  const dialog = page.getByRole('dialog')
  await expect(dialog).toContainText('Everything written since the snapshot snapshot-1')
  const confirm = dialog.getByRole('button', { name: 'Sign and roll back' })
  await expect(confirm).toHaveAccessibleDescription('Type the name first.')
  await dialog.getByLabel(/^Type vm-/).fill(`vm-${vmId.split('-')[1]}`)
  await confirm.click()
  await expect(dialog).toHaveCount(0)
  const signed = wallet.calls.findLast((c) => c.method === 'personal_sign')?.params[0]
  expect(Buffer.from(String(signed).slice(2), 'hex').toString()).toContain('freehold:act:rollback')
})

test('S5 an extension in a token approves exactly its price, says so first, and leaves no allowance', async ({
  page,
  stand,
  useWallet,
}) => {
  const wallet = await useWallet([4])
  await page.goto(`${stand.origin}/plans/0?days=7&step=review&token=${stand.devToken}`)
  await connect(page)
  await page.getByRole('button', { name: /^Pay/ }).click()
  await expect(page.getByText('Your VM is ready')).toBeVisible()
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByRole('link', { name: /^Manage/ }).click()
  await page.getByLabel('Days to add').fill('10')
  const asked = wallet.calls.length
  await page.getByRole('button', { name: /^Extend for 5/ }).click()
  await expect(page.getByText(/Approve exactly 5\s/)).toBeVisible()
  await expect(page.getByText('Extended.', { exact: false })).toBeVisible()
  const sent = wallet.calls
    .slice(asked)
    .filter((c) => c.method === 'eth_sendTransaction')
    .map((c) => c.params[0] as { to: string; data: string })
  expect(sent.map(({ to }) => to.toLowerCase())).toEqual([
    stand.devToken.toLowerCase(),
    stand.world.contractAddress.toLowerCase(),
  ])
  expect(erc20.parseTransaction(sent[0] ?? { data: '' })?.args.toArray()).toEqual([stand.world.contractAddress, 5_000_000n])
  const token = new Contract(stand.devToken, erc20, stand.wallet(4).provider)
  expect(await token.getFunction('allowance').staticCall(wallet.addresses[0], stand.world.contractAddress)).toBe(0n)
})

test('S11 after the end the page says what is kept and until when, and extending revives it', async ({
  page,
  stand,
  useWallet,
}) => {
  const vmId = await stand.buy(stand.wallet(5), 1)
  await stand.advance(2 * 86_400)
  await useWallet([5])
  await signedIn(page, stand)
  await page.goto(`${stand.origin}/vms/${vmId}`)
  await expect(page.getByText(/^Suspended, deleted on .* UTC$/)).toBeVisible()
  await expect(page.getByText('nobody can log in', { exact: false })).toBeVisible()
  await page.getByRole('button', { name: /^Extend for/ }).click()
  await expect(page.getByText('Running', { exact: true })).toBeVisible()
  await expect(page.getByText(dayText).first()).toBeVisible()
})
