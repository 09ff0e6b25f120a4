import { axeFinds } from './axe.ts'
import { sidewaysScroll } from './fixtures.ts'
import { expect, settled, test as base } from './invented-fixture.ts'
import { oneContext, type Shared } from './one-context.ts'

const test = base.extend<object, Shared>(oneContext)

const operatorPages = [
  '/operator',
  '/operator/vms',
  '/operator/tasks',
  '/operator/issues',
  '/operator/plans',
  '/operator/money',
  '/operator/audit',
  '/operator/sessions',
  '/operator/alerts',
  '/operator/backups',
  '/operator/settings',
  '/operator/api',
]

for (const path of operatorPages) {
  test(`X11 X15 X16 X18 X19 ${path}: axe finds nothing, nothing scrolls sideways, in both themes and languages`, async ({
    page,
    stand,
    context,
  }) => {
    // axe looks at every cell of a long table
    test.setTimeout(240_000)
    for (const [look, colorScheme, width, locale] of [
      ['whole', 'light', 1280, 'en'],
      ['again', 'dark', 320, 'de'],
    ] as const) {
      await context.addCookies([{ name: 'freehold-locale', value: locale, url: stand.origin }])
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await page.setViewportSize({ width, height: 800 })
      await page.goto(stand.origin + path)
      await settled(page)
      expect(await axeFinds(page, look), colorScheme).toEqual([])
      expect(await sidewaysScroll(page), `${width} px`).toBeLessThanOrEqual(0)
    }
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.evaluate('document.documentElement.style.fontSize = "200%"')
    expect(await sidewaysScroll(page), '200 % text').toBeLessThanOrEqual(0)
  })
}

test('O12 the demo shows the overview to a visitor without a wallet, says that it is invented, and changes nothing', async ({
  page,
  stand,
}) => {
  await page.goto(`${stand.origin}/operator/alerts`)
  await settled(page)
  await expect(page.getByText('A demo: this host, its subscribers and its money are invented.')).toBeVisible()
  await page.getByRole('button', { name: 'Add a webhook' }).click()
  await page.getByLabel('Address').fill('http://127.0.0.1:9/')
  await page.getByRole('button', { name: 'Save the alerts' }).click()
  await expect(page.getByRole('alert').filter({ hasText: 'not-supported' })).toContainText('nothing in it changes')
  const [session] = await stand.host.store.tasks.list({ limit: 1 }).then((p) => p.items)
  for (const [method, path] of [
    ['PUT', '/v1/alerts'],
    ['DELETE', '/v1/sessions/x'],
    ['POST', '/v1/host/provisioner-key'],
    ['POST', `/v1/vms/${session?.subject ?? ''}/actions`],
  ] as const) {
    const answer = await fetch(stand.origin + path, {
      method,
      headers: { origin: stand.origin, 'content-type': 'application/json' },
      body: '{}',
    })
    expect(answer.ok, path).toBe(false)
    expect(await answer.text(), path).toContain('not-supported')
  }
})
