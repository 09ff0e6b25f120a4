import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import { buildPages } from '@freehold/appliance/dev/builds'
import { test as base, expect, type Page } from '@playwright/test'
import { startFaultFront, type FaultFront } from '../stands/fault-front.ts'
import { startWizardStand } from '../stands/wizard-stand.ts'
import { arrange, setupScenes, type Scene } from '../setup/scenes.ts'
import { clippedText, sidewaysScroll } from './fixtures.ts'
import { perWorker } from './per-worker.ts'

// All pages of the wizard × all states in both themes are minutes: by default each page is seen filled in both themes, and all
// states on the pages that show them in a way of their own. FREEHOLD_ALL=1: all on every page.
const all = process.env['FREEHOLD_ALL'] === '1'
const scenes = setupScenes()
const due = scenes.filter(({ page, state }) => all || ['code', 'address', 'review', 'run'].includes(page) || state === 'filled')

async function startWizardBehindFront(): Promise<FaultFront & { stop(): Promise<void> }> {
  const host = await startWizardStand()
  const front = await startFaultFront(host.origin)
  const stop = async () => {
    await front.close()
    await host.stop()
  }
  return { ...front, stop }
}

const test = base.extend<object, { front: FaultFront }>({ front: perWorker(startWizardBehindFront, 240_000) })

test.describe.configure({ timeout: 180_000 })

/** Opens a scene and waits until it stands. */
async function open(page: Page, front: FaultFront, scene: Scene): Promise<void> {
  arrange(front, scene)
  const before = front.struck()
  await page.goto('about:blank')
  await page.goto(front.origin + scene.path, { waitUntil: 'domcontentloaded' })
  const main = page.getByRole('main')
  if (scene.press !== undefined) await main.getByRole('button', { name: scene.press }).click()
  await expect(
    scene.shows === null ? main.locator('[aria-busy=true]').first() : main.getByText(scene.shows).first(),
  ).toBeVisible()
  if (scene.play.length > 0)
    await expect.poll(() => front.struck(), { message: `${scene.name}: the host is asked` }).toBeGreaterThan(before)
}

async function axe(page: Page, name: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze()
  expect(violations.map((v) => `${name} ${v.id}: ${v.nodes.map((n) => n.html).join(' | ')}`)).toEqual([])
}

async function fits(page: Page, name: string): Promise<void> {
  expect(await sidewaysScroll(page), `${name}: wider than its window`).toBeLessThanOrEqual(0)
  expect(await clippedText(page), `${name}: text is cut off`).toEqual([])
}

test('X11 every route that Next serves has its scenes: a route without one is seen by nobody', async () => {
  test.setTimeout(240_000)
  const folder = await buildPages(() => undefined)
  const manifest = join(folder, 'wizard/.next/app-path-routes-manifest.json')
  const routes = Object.values(JSON.parse(readFileSync(manifest, 'utf8')) as Record<string, string>)
  expect(routes.length).toBeGreaterThan(5)
  const here = import.meta.dirname
  const texts = readdirSync(here)
    .filter((name) => name.endsWith('.e2e.ts') && name !== 'setup-states.e2e.ts')
    .map((name) => readFileSync(join(here, name), 'utf8'))
  // pictures and what Next itself answers for an address that leads nowhere have no data
  const pages = routes.filter((route) => !/^\/(_|icon)/.test(route))
  const unseen = pages.filter((route) => {
    if (route === '/setup') return !scenes.every(({ path }) => path.startsWith('/setup'))
    // the operator's pages are walked by the manifest itself, details of a task or a transaction included
    if (route.startsWith('/operator')) return !texts.some((text) => text.includes("path.startsWith('/operator')"))
    return !texts.some((text) => text.includes(`'${route} `) || text.includes(`'${route}'`) || text.includes(`}${route}\``))
  })
  expect(unseen).toEqual([])
  for (const page of new Set(scenes.map((scene) => scene.page))) {
    const met = new Set(scenes.filter((scene) => scene.page === page).map(({ state }) => state))
    expect([...met].toSorted(), page).toEqual(['crash', 'empty', 'error', 'filled', 'hanging'])
  }
})

for (const scene of due) {
  const dark = all || scene.state === 'filled'
  test(`X2 X3 X4 X5 X11 X15 X16 X18 /setup ${scene.name}: axe finds nothing${dark ? ' in both themes' : ''}, all fits at 320 px and at 200 % text`, async ({
    page,
    front,
  }) => {
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
    await open(page, front, scene)
    await axe(page, 'light')
    await page.setViewportSize({ width: 320, height: 800 })
    if (dark) {
      await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' })
      await axe(page, 'dark, narrow')
    }
    await fits(page, '320 px')
    await page.setViewportSize({ width: 1280, height: 900 })
    await page.evaluate('document.documentElement.style.fontSize = "200%"')
    await fits(page, '200 % text')
  })
}

test('X18 X19 X20 German, whose words are longer, fits on every page at 320 px, at 1280 px and at 200 % text', async ({
  browser,
  front,
}) => {
  const seen = scenes.filter(({ state }) => all || state === 'filled')
  test.setTimeout(seen.length * 20_000)
  const page = await browser.newPage({ locale: 'de-DE', reducedMotion: 'reduce', viewport: { width: 320, height: 800 } })
  for (const scene of seen) {
    // what is shown is found by words that are the same in both languages
    arrange(front, scene)
    await page.goto('about:blank')
    await page.goto(front.origin + scene.path, { waitUntil: 'domcontentloaded' })
    await expect(page.locator('html')).toHaveAttribute('lang', 'de')
    await expect(page.getByRole('main').getByRole('heading', { level: 1 })).toHaveText(
      scene.name === 'run done' ? 'Der Host ist eingerichtet' : 'Diesen Host einrichten',
    )
    if (scene.state === 'filled') await expect(page.getByRole('main').getByRole('heading', { level: 2 }).first()).toBeVisible()
    await fits(page, `${scene.name}, 320 px`)
    await page.setViewportSize({ width: 1280, height: 800 })
    await fits(page, `${scene.name}, 1280 px`)
    await page.evaluate('document.documentElement.style.fontSize = "200%"')
    await fits(page, `${scene.name}, 200 %`)
    await page.setViewportSize({ width: 320, height: 800 })
  }
  await page.close()
})

test('X17 with reduced motion nothing moves, and what is under way is said in words', async ({ page, front }) => {
  const scene = scenes.find(({ name }) => name === 'run waiting for funds')
  if (scene === undefined) throw new TypeError('the scene is gone')
  await page.emulateMedia({ reducedMotion: 'reduce' })
  await open(page, front, scene)
  const moving = await page.evaluate(
    `document.getAnimations().filter((a) => a.playState === 'running' && a.effect.getComputedTiming().duration > 50).length`,
  )
  expect(moving).toBe(0)
  await expect(page.getByRole('main').getByText('waiting for 0.05 at').first()).toBeVisible()
})
