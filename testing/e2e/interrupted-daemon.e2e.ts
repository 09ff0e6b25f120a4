import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { injectWallet } from '../stands/wallet.ts'
import { expect, test } from './embedded-fixture.ts'
import { connect } from './fixtures.ts'
import { cancelAndWithdraw, renew } from './life-steps.ts'

test('S2 S7 S8 S11 X9 L13 a development wallet buys on the local chain; the daemon is killed in the middle, and the page goes on; renewed, cancelled, paid back', async ({
  page,
  stand,
  browser,
}) => {
  test.setTimeout(240_000)
  await page.goto(`${stand.origin}/plans/0?days=7&step=review`)
  // an extension would announce itself in the same way; the keys stay with the host's processes
  await page.getByRole('button', { name: 'Development wallet 5' }).click()
  await page.getByRole('button', { name: /^Pay/ }).click()
  await expect(page).toHaveURL(/tx=0x/)
  stand.embedded.supervisor.crash('freeholdd')
  await expect(page.getByText('No link to this host')).toBeVisible({ timeout: 60_000 })
  await expect(page.getByText('No link to this host')).toHaveCount(0, { timeout: 120_000 })
  await expect(page.getByText('Your VM is ready')).toBeVisible({ timeout: 120_000 })
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await expect(page.getByRole('group', { name: 'SSH command' })).toContainText(/^ssh /)
  await page.getByRole('link', { name: /^Manage/ }).click()
  await expect(page).toHaveURL(/\/vms\//)
  const vmId = page.url().split('/').at(-1) ?? ''
  // another browser with nothing but the same wallet finds it as well
  const other = await (await browser.newContext()).newPage()
  const wallet = await injectWallet(other, { rpcUrl: stand.rpcUrl, keys: [devWallet(5).privateKey] })
  await other.goto(`${stand.origin}/my`)
  await connect(other)
  await other.getByRole('button', { name: 'Sign in', exact: true }).click()
  await expect(other.getByRole('article', { name: `vm-${vmId.split('-')[1]}`, exact: true }).getByText('Running')).toBeVisible()
  wallet.close()
  await other.context().close()
  await renew(page)
  await cancelAndWithdraw(page, { origin: stand.origin, rpcUrl: stand.rpcUrl, key: devWallet(5).privateKey, vmId })
})

test('L13 a development wallet answers nobody but the pages of its own host', async ({ stand }) => {
  const ask = (origin: string | undefined, body: object) =>
    fetch(`${stand.origin}/dev-wallet`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(origin !== undefined && { origin }) },
      body: JSON.stringify(body),
    })
  const question = { index: 5, method: 'eth_accounts', params: [] }
  expect((await ask(undefined, question)).status).toBe(403)
  expect((await ask('http://elsewhere.example', question)).status).toBe(403)
  expect(await (await ask(stand.origin, question)).json()).toEqual({ result: [expect.stringMatching(/^0x[0-9a-fA-F]{40}$/)] })
  expect(await (await ask(stand.origin, { ...question, index: 0 })).json()).toHaveProperty('refused')
  // no key is in what the browser gets
  expect(await (await fetch(`${stand.origin}/dev-wallet.js`)).text()).not.toMatch(/[0-9a-f]{64}/)
})
