import { connect, expect, test } from './fixtures.ts'

/** A second extension in the same browser; nobody chooses it here. */
const anotherWallet = `(() => {
  const icon = 'data:image/svg+xml,' + encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4"/></svg>')
  const info = { uuid: '00000000-0000-4000-8000-000000000002', name: 'Another Wallet', rdns: 'org.example.another', icon }
  const provider = { request: () => Promise.reject(new Error('nobody asks this wallet')), on() {}, removeListener() {} }
  const announce = () => dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail: Object.freeze({ info, provider }) }))
  addEventListener('eip6963:requestProvider', announce)
  announce()
})()`

test('S2 two wallets are listed by name and icon; the chosen one is taken up again after a reload, without a question', async ({
  page,
  stand,
  useWallet,
}) => {
  const wallet = await useWallet([4])
  await page.addInitScript(anotherWallet)
  await page.goto(`${stand.origin}/plans/0?step=review`)
  const icons = new Set<string | null>()
  for (const name of ['Test Wallet', 'Another Wallet']) {
    const choice = page.getByRole('button', { name })
    await expect(choice).toBeVisible()
    await expect(choice.locator('img')).toHaveCount(1)
    icons.add(await choice.locator('img').getAttribute('src'))
  }
  expect(icons.size, 'each has its own icon').toBe(2)
  await connect(page)
  const asked = wallet.calls.length
  await page.reload()
  await expect(page.getByRole('button', { name: 'Use another wallet' })).toBeVisible()
  expect(wallet.calls.slice(asked).map((c) => c.method)).toContain('eth_accounts')
  expect(wallet.calls.slice(asked).map((c) => c.method)).not.toContain('eth_requestAccounts')
  // forgotten on request, and not before
  await page.getByRole('button', { name: 'Use another wallet' }).click()
  await expect(page.getByRole('button', { name: 'Another Wallet' })).toBeVisible()
  await page.reload()
  await expect(page.getByRole('button', { name: 'Test Wallet' })).toBeVisible()
})
