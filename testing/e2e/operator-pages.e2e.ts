import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Route } from '@playwright/test'
import { AppError } from '@freehold/appliance/errors/app-error'
import { toProblem } from '@freehold/appliance/errors/problem'
import { startInventedStand, type InventedStand } from '@freehold/appliance/dev/invented/invented-stand'
import { axeFinds } from './axe.ts'
import { sidewaysScroll } from './fixtures.ts'
import { expect, settled, test as base } from './invented-fixture.ts'
import { oneContext, type Shared } from './one-context.ts'
import { perWorker } from './per-worker.ts'

const test = base.extend<object, Shared>(oneContext)

/** What each page says on a host on which nothing has happened yet; or why it is never without data. */
const whenEmpty: Record<string, string | { because: string }> = {
  '/operator': 'Nothing is wrong',
  '/operator/vms': 'No VMs yet',
  '/operator/tasks': 'No tasks yet',
  '/operator/issues': 'Nothing is wrong',
  '/operator/plans': 'Another plan',
  '/operator/money': 'Nothing was paid yet.',
  '/operator/audit': 'Nothing here',
  '/operator/sessions': { because: 'whoever looks at it is logged in' },
  '/operator/alerts': 'Nobody is told',
  '/operator/backups': 'No backups yet',
  '/operator/settings': { because: 'a host has its settings from its first minute on' },
  '/operator/api': { because: 'it lists the calls that the host has, not what was done with them' },
  '/operator/tasks/[taskId]': { because: 'a task that is not there is refused: the state of an error' },
  '/operator/transactions/[hash]': 'The network does not know it',
}
const operatorPages = Object.keys(whenEmpty)

/** With values of the invented host. */
async function filled(route: string, { host }: InventedStand): Promise<string> {
  const [task] = (await host.store.tasks.list({ limit: 1 })).items
  const [event] = await host.store.history.named('Collected')
  return route.replace('[taskId]', task?.taskId ?? '').replace('[hash]', event?.transactionHash ?? '')
}

for (const route of operatorPages) {
  test(`X11 X15 X16 X18 X19 ${route}: axe finds nothing, nothing scrolls sideways, in both themes and languages`, async ({
    page,
    stand,
    context,
  }) => {
    // axe looks at every cell of a long table
    test.setTimeout(240_000)
    const path = await filled(route, stand)
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

test('X11 the operator’s routes of the built pages are those that axe looks at', ({ stand }) => {
  const manifest = readFileSync(join(stand.pages, 'wizard/.next/server/app-paths-manifest.json'), 'utf8')
  const routes = Object.keys(JSON.parse(manifest) as Record<string, string>).map((key) => key.replace(/\/page$/, ''))
  expect(routes.filter((route) => route.startsWith('/operator')).toSorted()).toEqual(operatorPages.toSorted())
})

// 28 more pages: by default the same parts, loading and in error, are looked at on the pages for subscribers (accessibility.e2e.ts)
if (process.env['FREEHOLD_ALL'] === '1') {
  test('X3 X4 X11 the operator’s pages while the host does not answer, and where it refuses: said in place, axe finds nothing', async ({
    page,
    stand,
  }) => {
    test.setTimeout(600_000)
    await page.setViewportSize({ width: 320, height: 800 })
    let held: Route[] = []
    let refuses = false
    let session = false
    const refuse = (route: Route) => {
      const error = new AppError({ code: 'rpc-unreachable', detail: 'The chain does not answer.' })
      const problem = toProblem(error, { instance: new URL(route.request().url()).pathname, requestId: 'r1' })
      // a page that has gone waits for nothing
      return route.fulfill({ status: problem.status, contentType: 'application/problem+json', json: problem }).catch(() => {})
    }
    await page.route(/\/v1\/(?!status)/, async (route) => {
      // what the frame asks first is answered as ever: who is signed in
      const frames = !session && route.request().url().endsWith('/v1/sessions')
      if (frames) session = true
      if (frames) await route.continue()
      else if (refuses) await refuse(route)
      else held.push(route)
    })
    for (const route of operatorPages) {
      const path = await filled(route, stand)
      ;[held, refuses, session] = [[], false, false]
      await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
      await page.goto(stand.origin + path, { waitUntil: 'domcontentloaded' })
      await expect.poll(() => held.length, `${path} asks the host`).toBeGreaterThan(0)
      const main = page.getByRole('main')
      await expect(main.locator('[aria-busy=true]').first(), `${path} loading`).toBeVisible()
      // the frame around it is looked at with the filled pages
      expect(await axeFinds(page, 'whole', 'main'), `${path} loading`).toEqual([])
      expect(await sidewaysScroll(page), `${path} loading`).toBeLessThanOrEqual(0)

      refuses = true
      for (const one of held) await refuse(one)
      await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' })
      await expect(main.getByRole('alert').filter({ hasText: 'rpc-unreachable' }).first(), `${path} error`).toBeVisible()
      expect(await axeFinds(page, 'whole', 'main'), `${path} error`).toEqual([])
      expect(await sidewaysScroll(page), `${path} error`).toBeLessThanOrEqual(0)
    }
  })
}

if (process.env['FREEHOLD_ALL'] === '1') {
  // a stand of its own
  const fresh = base.extend<object, { stand: InventedStand }>({
    stand: perWorker(() => startInventedStand({ port: 0, readOnly: true, fresh: true }), 240_000),
  })
  fresh(
    'X5 X11 the operator’s pages of a host on which nothing has happened yet: each says so, axe finds nothing',
    async ({ page, stand }) => {
      fresh.setTimeout(600_000)
      await page.setViewportSize({ width: 320, height: 800 })
      await page.emulateMedia({ reducedMotion: 'reduce' })
      for (const [route, says] of Object.entries(whenEmpty)) {
        if (typeof says !== 'string') continue
        await page.goto(stand.origin + route.replace('[hash]', `0x${'ab'.repeat(32)}`))
        await settled(page)
        const main = page.getByRole('main')
        await expect(main.getByText(says, { exact: false }).first(), route).toBeVisible()
        expect(await axeFinds(page, 'whole', 'main'), route).toEqual([])
        expect(await sidewaysScroll(page), route).toBeLessThanOrEqual(0)
      }
    },
  )
}

test('O12 the demo shows the overview to a visitor without a wallet, says that it is invented, and changes nothing', async ({
  page,
  stand,
}) => {
  await page.goto(`${stand.origin}/operator`)
  await settled(page)
  for (const question of ['Is anything wrong?', 'Who rents what?', 'What ends soon?'])
    await expect(page.getByRole('heading', { name: question })).toBeVisible()
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
