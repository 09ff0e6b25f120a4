import { connect, expect, signedIn, tabTo, test } from './fixtures.ts'

let vmId = ''
test.beforeAll(async ({ stand }) => {
  vmId = await stand.buy(stand.wallet(5))
})

test('O6 S13 the console opens under a fresh signature of its own act, carries keys, and is left by keyboard', async ({
  page,
  stand,
  useWallet,
}) => {
  const wallet = await useWallet([5])
  await signedIn(page, stand)
  await page.goto(`${stand.origin}/vms/${vmId}`)
  await page.getByRole('button', { name: 'Open the console' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(`Serial console of vm-${vmId.split('-')[1]}`)
  await tabTo(page, 'button', 'Sign and open the console')
  await page.keyboard.press('Enter')
  await expect(page.getByText('Open', { exact: true })).toBeVisible()
  const signed = wallet.calls.findLast((c) => c.method === 'personal_sign')?.params[0]
  const text = Buffer.from(String(signed).slice(2), 'hex').toString()
  expect(text).toContain(`Open the serial console of VM ${vmId} from 127.0.0.1`)
  expect(text).toContain('freehold:act:console')
  await expect(page.getByRole('listitem').filter({ hasText: 'Debian GNU/Linux 13' })).toBeVisible()
  const terminal = page.getByRole('textbox', { name: /^Terminal of vm-/ })
  await expect(terminal).toBeFocused()
  await page.keyboard.type('uptime')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Escape')
  await expect(terminal).toBeFocused()
  await expect.poll(() => [...stand.world.consoles][0]?.typed).toBe('uptime\t\u001b')
  await page.keyboard.press('Control+Shift+L')
  await expect(page.getByRole('button', { name: 'Close the console' })).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(page.getByText('The console is closed')).toBeVisible()
  expect(stand.world.consoles.size).toBe(0)
  // the signature was for one opening
  await expect(page.getByRole('button', { name: 'Sign and open the console' })).toBeVisible()
})

test('T6 L5 a console that the host ends says why, and a refusal stands where the act was', async ({
  page,
  stand,
  useWallet,
}) => {
  await useWallet([5])
  await page.goto(`${stand.origin}/vms/${vmId}/console`)
  await connect(page)
  await page.getByRole('button', { name: 'Sign and open the console' }).click()
  await expect(page.getByRole('listitem').filter({ hasText: 'Debian GNU/Linux 13' })).toBeVisible()
  for (const open of stand.world.consoles) open.end('pass-moved', 'The access pass has moved.')
  await expect(page.getByRole('status').filter({ hasText: 'The access pass has moved to another wallet.' })).toBeVisible()
  stand.world.stale = true
  await page.getByRole('button', { name: 'Sign and open the console' }).click()
  await expect(page.getByRole('alert').filter({ hasText: 'chain-stale' })).toBeFocused()
  stand.world.stale = false
})

test('A5 another wallet does not open it', async ({ page, stand, useWallet }) => {
  await useWallet([6])
  await page.goto(`${stand.origin}/vms/${vmId}/console`)
  await connect(page)
  await page.getByRole('button', { name: 'Sign and open the console' }).click()
  await expect(page.getByRole('alert').filter({ hasText: 'wrong-wallet' })).toBeFocused()
  expect(stand.world.consoles.size).toBe(0)
})

test('X12 X18 X22 the console works with sign-in on no session at all, at 320 px, with nothing refused by the policy', async ({
  page,
  stand,
  useWallet,
  consoleErrors,
}) => {
  await useWallet([5])
  await page.setViewportSize({ width: 320, height: 700 })
  await page.goto(`${stand.origin}/vms/${vmId}/console`)
  await connect(page)
  await page.getByRole('button', { name: 'Sign and open the console' }).click()
  await expect(page.getByRole('listitem').filter({ hasText: 'Debian GNU/Linux 13' })).toBeVisible()
  const columns = await page.locator('.xterm-rows').evaluate((e) => e.getBoundingClientRect().width)
  expect(columns).toBeGreaterThan(150)
  expect(columns).toBeLessThanOrEqual(320)
  expect(consoleErrors).toEqual([])
})
