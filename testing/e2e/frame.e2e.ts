import { expect, signIn, test } from './fixtures.ts'

test('X22 pages ask nothing of third parties, and the policy allows no other', async ({ page, stand, useWallet }) => {
  await useWallet([4])
  const elsewhere: string[] = []
  page.on('request', (request) => {
    const url = new URL(request.url())
    if (url.protocol.startsWith('http') && url.origin !== stand.origin) elsewhere.push(request.url())
  })
  for (const path of ['/', '/plans/0', '/my', '/s/7QF3K2MD']) {
    const answer = await page.goto(stand.origin + path)
    const policy = answer?.headers()['content-security-policy'] ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("connect-src 'self'")
    expect(policy).toMatch(/script-src 'self' 'nonce-[A-Za-z0-9+/=]{24}' 'strict-dynamic'(;|$)/)
    await page.waitForLoadState('networkidle')
  }
  expect(elsewhere).toEqual([])
})

test('X22 every answer has a nonce of its own', async ({ request, stand }) => {
  const nonces = new Set<string | undefined>()
  for (let i = 0; i < 3; i++)
    nonces.add(/'nonce-([^']+)'/.exec((await request.get(stand.origin)).headers()['content-security-policy'] ?? '')?.[1])
  expect(nonces.size).toBe(3)
})

test('X16 the chosen theme is in the first byte of the next page; without a choice the system decides', async ({
  page,
  stand,
  request,
}) => {
  expect(await (await request.get(stand.origin)).text()).toContain('data-theme="system"')
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.goto(stand.origin)
  const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
  const dark = await ground()
  await page.emulateMedia({ colorScheme: 'light' })
  const light = await ground()
  expect(dark).not.toBe(light)
  await page.getByLabel('Theme').selectOption('dark')
  expect(await ground()).toBe(dark)
  const answer = await page.reload()
  expect(await answer?.text()).toContain('data-theme="dark"')
  expect(await ground()).toBe(dark)
})

test('X20 the other language is chosen on the page, kept, and formats numbers its own way', async ({ page, stand }) => {
  await page.goto(stand.origin)
  await page.getByLabel('Language').selectOption('de')
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Eine VM mieten, mit Ihrer Wallet')
  await expect(page.getByRole('article', { name: 'Small' })).toContainText('0,001 ETH pro Tag')
  await page.reload()
  await expect(page).toHaveTitle('Tarife · Freehold')
  expect(await page.evaluate('document.documentElement.lang')).toBe('de')
})

test('X12 X13 a change of page brings the focus to its content and is announced with its title', async ({ page, stand }) => {
  await page.goto(stand.origin)
  await page.getByRole('link', { name: 'My VMs' }).click()
  await expect(page).toHaveTitle('My VMs · Freehold')
  await expect(page.getByRole('main')).toBeFocused()
  await expect(page.locator('next-route-announcer').getByRole('alert')).toHaveText('My VMs · Freehold')
})

test('X10 back, forward and a sent link show the same choice', async ({ page, stand, context }) => {
  await page.goto(`${stand.origin}/plans/1`)
  await page.getByRole('radio', { name: '60 days' }).check()
  await page.getByRole('button', { name: 'Review the purchase' }).click()
  await expect(page.getByRole('heading', { name: '2. Review and pay' })).toBeVisible()
  const sent = page.url()
  await page.goBack()
  await expect(page.getByRole('radio', { name: '60 days' })).toBeChecked()
  await page.goForward()
  await expect(page.getByRole('heading', { name: '2. Review and pay' })).toBeVisible()
  const other = await context.newPage()
  await other.goto(sent)
  await expect(other.getByText('60 days', { exact: true })).toBeVisible()
})

test('S7 signing out ends the session at the host too', async ({ page, stand, useWallet }) => {
  await useWallet([6])
  await signIn(page, stand)
  const before = stand.world.sessions.size
  await page.getByRole('button', { name: 'Sign out' }).click()
  await expect(page.getByRole('button', { name: 'Sign in', exact: true })).toBeVisible()
  expect(stand.world.sessions.size).toBe(before - 1)
})

test('X14 X17 forced colours keep borders of buttons, reduced motion stops every animation', async ({ page, stand }) => {
  await page.emulateMedia({ forcedColors: 'active', reducedMotion: 'reduce' })
  stand.fail('/v1/plans', 'hang')
  await page.goto(stand.origin)
  await expect(page.locator('main [aria-busy=true]')).toBeVisible()
  expect(await page.evaluate('document.getAnimations().length')).toBe(0)
  stand.fail('/v1/plans', undefined)
  await page.reload()
  const choose = page.getByRole('link', { name: 'Choose Small' })
  await expect(choose).toBeVisible()
  expect(
    await choose.evaluate(
      (e) =>
        (globalThis as unknown as { getComputedStyle(x: unknown): { borderTopWidth: string } }).getComputedStyle(e)
          .borderTopWidth,
    ),
  ).toBe('1px')
})
