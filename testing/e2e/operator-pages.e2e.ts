import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import { test as base, expect, type Page } from '@playwright/test'
import { startInventedStand, type InventedStand } from '@freehold/appliance/dev/invented/invented-stand'
import { sidewaysScroll } from './fixtures.ts'

/** The demo as a visitor has it: read-only, every state of a VM among the visitor's own. */
const test = base.extend<object, { stand: InventedStand }>({
  stand: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
    async ({}, use) => {
      const stand = await startInventedStand({ port: 0, readOnly: true })
      await use(stand)
      await stand.stop()
    },
    { scope: 'worker', timeout: 240_000 },
  ],
})

/** Values for the routes that take one, from the invented world. */
async function pathsOf(stand: InventedStand): Promise<string[]> {
  const manifest = JSON.parse(readFileSync(join(stand.pages, 'wizard/.next/server/app-paths-manifest.json'), 'utf8')) as Record<
    string,
    string
  >
  const routes = Object.keys(manifest)
    .filter((key) => key.endsWith('/page'))
    .map((key) => key.replace(/\/page$/, '') || '/')
  expect(routes, 'the manifest names the operator’s pages').toContain('/operator/money')
  const { items } = await stand.host.store.tasks.list({ limit: 1 })
  const [event] = await stand.host.store.history.named('Collected')
  const own = await ownVms(stand)
  return routes.flatMap((route) => {
    if (route.startsWith('/_') || route.startsWith('/setup')) return []
    if (!route.includes('[')) return [route]
    if (route.includes('[vmId]')) return own.map((vmId) => route.replace('[vmId]', vmId))
    const filled = route
      .replace('[taskId]', items[0]?.taskId ?? '')
      .replace('[hash]', event?.transactionHash ?? '')
      .replace('[id]', '0')
      .replace('[code]', '7QF3K2MD')
    expect(filled, 'a route takes a value that this test does not know').not.toContain('[')
    return [filled]
  })
}

/** The visitor's own VMs: one of each state. */
async function ownVms(stand: InventedStand): Promise<string[]> {
  const token = await stand.host.sessionToken()
  const answer = await fetch(`${stand.origin}/v1/vms`, { headers: { cookie: `__Host-freehold=${token}` } })
  const { items } = (await answer.json()) as { items: { vmId: string; state: string }[] }
  expect(new Set(items.map((vm) => vm.state)).size, 'the visitor has a VM of many states').toBeGreaterThanOrEqual(6)
  return items.map((vm) => vm.vmId)
}

async function settled(page: Page): Promise<void> {
  await expect(page.getByRole('heading', { level: 1 }).first()).toBeVisible()
  await expect(page.locator('main [aria-busy=true]')).toHaveCount(0)
}

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
    for (const [colorScheme, width, locale] of [
      ['light', 1280, 'en'],
      ['dark', 320, 'de'],
    ] as const) {
      await context.addCookies([{ name: 'freehold-locale', value: locale, url: stand.origin }])
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await page.setViewportSize({ width, height: 800 })
      await page.goto(stand.origin + path)
      await settled(page)
      const { violations } = await new AxeBuilder({ page }).analyze()
      expect(violations.map((v) => `${colorScheme} ${v.id}: ${v.nodes.map((n) => n.html).join(' | ')}`)).toEqual([])
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

/** Counts changes of the page from now on; runs in the page. */
const watchPage = `(() => {
  window.freeholdChanges = 0
  new MutationObserver((list) => { window.freeholdChanges += list.length })
    .observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true })
})()`

/** What a press did: the page changed, asked the host, or gave a file. With its timers at rest nothing else can. */
class Effects {
  readonly #page: Page
  #open = 0
  #seen = 0
  #ahead = 0

  constructor(page: Page) {
    this.#page = page
    // the stream of a task stays open for as long as the task runs
    const counts = (type: string) => type !== 'eventsource'
    page.on('request', (request) => {
      this.#seen += 1
      if (counts(request.resourceType())) this.#open += 1
    })
    const over = (type: string) => {
      if (counts(type)) this.#open -= 1
    }
    page.on('requestfinished', (request) => over(request.resourceType()))
    page.on('requestfailed', (request) => over(request.resourceType()))
    page.on('download', () => (this.#seen += 1))
  }

  /** Stops the clock of the page, waits until what was asked for has come, and begins to count. */
  async begin(): Promise<void> {
    // a clock goes forward only: each rest is later than the one before
    this.#ahead += 60_000
    await this.#page.clock.pauseAt(new Date(Date.now() + this.#ahead))
    await expect(async () => expect(this.#open).toBe(0)).toPass({ timeout: 20_000 })
    await this.#page.clock.runFor(100)
    await expect(async () => expect(this.#open).toBe(0)).toPass({ timeout: 20_000 })
    await this.#page.evaluate(watchPage)
    this.#seen = 0
  }

  async any(): Promise<boolean> {
    // another document has no counter: the press led there
    return this.#seen > 0 || (await this.#page.evaluate('window.freeholdChanges ?? 1')) !== 0
  }
}

const parts = [
  ['the operator’s pages', (path: string) => path.startsWith('/operator')],
  // every state of a VM, and all other pages: many minutes
  ...(process.env['FREEHOLD_ALL'] === '1'
    ? ([
        ['a running VM', (path: string) => /^\/vms\/[^/]+-141$/.test(path)],
        ['every state of a VM', (path: string) => path.startsWith('/vms/') && !path.endsWith('-141')],
        ['all other pages', (path: string) => !path.startsWith('/operator') && !path.startsWith('/vms/')],
      ] as const)
    : []),
] as const

for (const [part, belongs] of parts) {
  test(`X8 O3 press everything: ${part}: every button works, or is off and says why`, async ({ page, stand, context }) => {
    test.setTimeout(600_000)
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(error.message))
    await page.emulateMedia({ reducedMotion: 'reduce' })
    await page.clock.install()
    const effects = new Effects(page)
    let met = 0
    for (const path of (await pathsOf(stand)).filter(belongs)) {
      await page.goto(stand.origin + path)
      await settled(page)
      const buttons = page.getByRole('main').getByRole('button')
      const names = await buttons.evaluateAll((all) => all.map((e) => e.getAttribute('aria-label') ?? String(e.textContent)))
      for (const name of new Set(names)) {
        const where = `${path} › ${name}`
        const button = page.getByRole('main').getByRole('button', { name, exact: true }).first()
        // a press may have led away or opened a dialog: then the page is opened anew
        const gone = async () => page.url() !== stand.origin + path || !(await button.isVisible())
        const again = async () => {
          await page.clock.resume()
          await page.goto(stand.origin + path)
          await settled(page)
        }
        if (await gone()) await again()
        await expect(button, where).toBeVisible()
        met += 1
        if ((await button.getAttribute('aria-disabled')) === 'true') {
          await expect(button, `${where} says why it is off`).toHaveAccessibleDescription(/.{10,}/)
          continue
        }
        await effects.begin()
        // the press before may lead away only now
        if (await gone()) {
          await again()
          await effects.begin()
        }
        await button.click({ timeout: 20_000 })
        await expect(async () => expect(await effects.any(), `${where} does something`).toBe(true)).toPass({ timeout: 20_000 })
      }
      await page.clock.resume()
    }
    expect(errors).toEqual([])
    expect(met, 'a run that met no button has tested nothing').toBeGreaterThan(5)
  })
}
