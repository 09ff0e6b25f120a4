import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildPages } from '@freehold/appliance/dev/builds'
import type { Page } from '@playwright/test'
import type { PagesStand } from '../stands/pages-api.ts'
import { axeFinds } from './axe.ts'
import { clippedText, connect, expect, sidewaysScroll, signedIn, test as base } from './fixtures.ts'
import { oneContext, type Shared } from './one-context.ts'
import { wasmOf } from './wasm-of.ts'

const test = base.extend<object, Shared>(oneContext)

interface Scene {
  name: string
  /** Made of what is looked at on other routes: only with FREEHOLD_ALL=1. */
  onlyWithAll?: true
  /** Wallet in the page, by number of the development key; none by default. */
  wallet?: number
  /** What the host answers, or what is there. Returns the path to open. */
  arrange(stand: PagesStand, page: Page): Promise<string> | string
  /** Visible once the scene stands. */
  ready(page: Page): ReturnType<Page['getByRole']>
  /** Acts after the page is open. */
  act?(page: Page): Promise<void>
}

const heading = (name: string | RegExp) => (page: Page) => page.getByRole('heading', { name })
const loading = (page: Page) => page.locator('main [aria-busy=true]')
const failing = (prefix: string, path: string) => (stand: PagesStand) => {
  stand.fail(prefix, 'rpc-unreachable')
  return path
}
const hanging = (prefix: string, path: string) => (stand: PagesStand) => {
  stand.fail(prefix, 'hang')
  return path
}
const alert = (page: Page) => page.getByRole('alert').filter({ hasText: 'rpc-unreachable' })
const faulty = ['/v1/plans', '/v1/vms', '/v1/login-requests', '/v1/sessions', '/v1/wasm']
const all = process.env['FREEHOLD_ALL'] === '1'

const scenes: Scene[] = [
  { name: '/ loading', arrange: hanging('/v1/plans', '/'), ready: loading },
  { name: '/ filled', arrange: () => '/', ready: heading('Small') },
  { name: '/ error', arrange: failing('/v1/plans', '/'), ready: alert },
  {
    name: '/ empty',
    onlyWithAll: true,
    arrange(stand) {
      stand.world.nothingOnSale = true
      return '/'
    },
    ready: heading('Nothing is on sale yet'),
  },
  {
    name: '/ closed',
    arrange(stand) {
      stand.world.closedBecause = 'The operator is moving house.'
      return '/'
    },
    ready: (page) => page.getByText('The operator is moving house.'),
  },
  { name: '/plans/[id] loading', arrange: hanging('/v1/plans', '/plans/0'), ready: loading },
  { name: '/plans/[id] unknown', arrange: () => '/plans/77', ready: heading('There is no such plan') },
  { name: '/plans/[id] error', arrange: failing('/v1/plans', '/plans/0'), ready: alert },
  {
    name: '/plans/[id] choice',
    arrange: () => '/plans/0?days=200&to=nobody',
    ready: (page) => page.getByText('Enter a whole number of days'),
  },
  {
    name: '/plans/[id] review',
    wallet: 4,
    arrange: () => '/plans/0?days=30&step=review',
    act: connect,
    ready: (page) => page.getByRole('button', { name: /^Pay/ }),
  },
  { name: '/my signed out', wallet: 4, arrange: () => '/my', ready: (page) => page.getByRole('button', { name: 'Test Wallet' }) },
  {
    name: '/my empty',
    wallet: 6,
    async arrange(stand, page) {
      await signedIn(page, stand)
      return '/my'
    },
    ready: heading('No VMs yet'),
  },
  {
    name: '/my filled',
    wallet: 5,
    async arrange(stand, page) {
      await signedIn(page, stand)
      return '/my'
    },
    ready: (page) => page.getByRole('article').first(),
  },
  {
    name: '/my error',
    wallet: 5,
    async arrange(stand, page) {
      await signedIn(page, stand)
      return failing('/v1/vms', '/my')(stand)
    },
    ready: alert,
  },
  {
    name: '/vms/[vmId] filled',
    wallet: 5,
    async arrange(stand, page) {
      await signedIn(page, stand)
      return `/vms/${stand.world.installation}-1`
    },
    ready: heading('Extend'),
  },
  {
    name: '/vms/[vmId] about to be cancelled',
    onlyWithAll: true,
    wallet: 5,
    async arrange(stand, page) {
      await signedIn(page, stand)
      return `/vms/${stand.world.installation}-1`
    },
    act: (page) => page.getByRole('button', { name: 'Cancel the subscription…' }).click(),
    ready: (page) => page.getByRole('dialog'),
  },
  {
    name: '/vms/[vmId] of another wallet',
    onlyWithAll: true,
    wallet: 6,
    async arrange(stand, page) {
      await signedIn(page, stand)
      return `/vms/${stand.world.installation}-1`
    },
    ready: (page) => page.getByRole('alert').filter({ hasText: 'vm-unknown' }),
  },
  { name: '/s/[code] loading', arrange: hanging('/v1/login-requests', '/s/7QF3K2MD'), ready: loading },
  { name: '/s/[code] unknown', arrange: () => '/s/7QF3K2MD', ready: heading('There is no such sign-in') },
  { name: '/s/[code] error', arrange: failing('/v1/login-requests', '/s/7QF3K2MD'), ready: alert },
  {
    name: '/s/[code] waiting, from another address, without a wallet',
    arrange: async (stand) => `/s/${await stand.askShell(`${stand.world.installation}-1`, '203.0.113.7')}`,
    act: (page) => page.locator('summary').click(),
    ready: (page) => page.getByRole('button', { name: 'Send the signature' }),
  },
  {
    name: '/s/[code] waiting, with another wallet',
    onlyWithAll: true,
    wallet: 6,
    arrange: async (stand) => `/s/${await stand.askShell(`${stand.world.installation}-1`)}`,
    act: connect,
    ready: (page) => page.getByText('Another wallet holds the access pass').first(),
  },
  {
    name: '/vms/[vmId] of a former holder',
    onlyWithAll: true,
    wallet: 8,
    async arrange(stand, page) {
      const { vmId } = await stand.buyAndGive(stand.wallet(5), stand.wallet(8))
      await signedIn(page, stand)
      return `/vms/${vmId}`
    },
    ready: (page) => page.getByText('Another wallet was root in this VM'),
  },
  {
    name: '/vms/[vmId] signing a reinstall on another device',
    onlyWithAll: true,
    wallet: 8,
    async arrange(stand, page) {
      const { vmId } = await stand.buyAndGive(stand.wallet(5), stand.wallet(8))
      await signedIn(page, stand)
      return `/vms/${vmId}`
    },
    async act(page) {
      await page.getByRole('button', { name: 'Reinstall…' }).click()
      const name =
        (await page
          .getByRole('dialog')
          .getByLabel(/^Type vm-/)
          .count()) > 0
      expect(name).toBe(true)
      await page
        .getByLabel(/^Type vm-/)
        .fill((await page.getByRole('heading', { level: 1, includeHidden: true }).textContent()) ?? '')
      await page.getByRole('dialog').getByRole('button', { name: 'Sign on another device' }).click()
    },
    ready: (page) => page.getByRole('img', { name: 'QR code of the sign-in page' }),
  },
  {
    name: '/vms/[vmId]/console closed',
    wallet: 5,
    arrange: (stand) => `/vms/${stand.world.installation}-1/console`,
    act: connect,
    ready: (page) => page.getByRole('button', { name: 'Sign and open the console' }),
  },
  {
    name: '/vms/[vmId]/console open',
    wallet: 5,
    arrange: (stand) => `/vms/${stand.world.installation}-1/console`,
    async act(page) {
      await connect(page)
      await page.getByRole('button', { name: 'Sign and open the console' }).click()
    },
    ready: (page) => page.getByRole('listitem').filter({ hasText: 'Debian GNU/Linux 13' }),
  },
  {
    name: '/s/[code] with a reply code',
    onlyWithAll: true,
    wallet: 5,
    arrange: (stand) => `/s/${stand.ask('console', `${stand.world.installation}-1`, '198.51.100.4')}`,
    async act(page) {
      await connect(page)
      await page.getByRole('button', { name: 'Approve with your wallet' }).click()
    },
    ready: (page) => page.getByText('Enter this reply code where you asked'),
  },
  { name: 'an address that leads nowhere', arrange: () => '/nowhere', ready: heading('Nothing here') },
]

/** Of whoever holds a VM, or is signed in at all. */
const signedInScene = (name: string, path: string, arrange: (stand: PagesStand) => void, ready: Scene['ready']): Scene => ({
  name,
  onlyWithAll: true,
  wallet: 5,
  async arrange(stand, page) {
    await signedIn(page, stand)
    arrange(stand)
    return path.replace('[vmId]', `${stand.world.installation}-1`)
  },
  ready,
})
const refusing = (prefix: string) => (stand: PagesStand) => stand.fail(prefix, 'rpc-unreachable')
const silent = (prefix: string) => (stand: PagesStand) => stand.fail(prefix, 'hang')
const withWasm = (more: boolean) => (stand: PagesStand) => {
  stand.world.wasm = wasmOf(stand, more ? { label: 'nightly job', planName: 'Functions' } : undefined)
}
scenes.push(
  signedInScene('/my loading', '/my', silent('/v1/vms'), loading),
  signedInScene('/vms/[vmId] loading', '/vms/[vmId]', silent('/v1/vms'), loading),
  signedInScene('/vms/[vmId] error', '/vms/[vmId]', refusing('/v1/vms'), alert),
  {
    name: '/vms/[vmId]/console error',
    onlyWithAll: true,
    wallet: 5,
    arrange(stand) {
      stand.fail('/v1/login-requests', 'rpc-unreachable')
      return `/vms/${stand.world.installation}-1/console`
    },
    async act(page) {
      await connect(page)
      await page.getByRole('button', { name: 'Sign and open the console' }).click()
    },
    ready: alert,
  },
  ...['/wasm', '/wasm/operator'].flatMap((path) => [
    signedInScene(`${path} loading`, path, silent('/v1/wasm'), loading),
    signedInScene(`${path} error`, path, refusing('/v1/wasm'), (page) => alert(page).first()),
  ]),
  signedInScene('/wasm empty', '/wasm', withWasm(false), (page) => page.getByText('No keys yet', { exact: false })),
  signedInScene('/wasm filled', '/wasm', withWasm(true), (page) => page.getByText('nightly job', { exact: true })),
  signedInScene('/wasm/operator empty', '/wasm/operator', withWasm(false), heading('Runs today by outcome')),
  signedInScene('/wasm/operator filled', '/wasm/operator', withWasm(true), (page) =>
    page.getByText('WASM_TRAP', { exact: true }),
  ),
)

/** Why a route has no such state. */
const none = (because: string) => ({ because })

/** Each route for subscribers in each state of its data: the scene that looks at it, or why it has none. */
const table: Record<string, Record<'loading' | 'empty' | 'error' | 'filled', string | { because: string }>> = {
  '/': { loading: '/ loading', empty: '/ empty', error: '/ error', filled: '/ filled' },
  '/plans/[id]': {
    loading: '/plans/[id] loading',
    empty: '/plans/[id] unknown',
    error: '/plans/[id] error',
    filled: '/plans/[id] choice',
  },
  '/my': { loading: '/my loading', empty: '/my empty', error: '/my error', filled: '/my filled' },
  '/vms/[vmId]': {
    loading: '/vms/[vmId] loading',
    empty: '/vms/[vmId] of another wallet',
    error: '/vms/[vmId] error',
    filled: '/vms/[vmId] filled',
  },
  '/vms/[vmId]/console': {
    loading: none('it asks the host for nothing before it was signed for: see /vms/[vmId]/console closed'),
    empty: none('a terminal that nothing was written to is a terminal'),
    error: '/vms/[vmId]/console error',
    filled: '/vms/[vmId]/console open',
  },
  '/s/[code]': {
    loading: '/s/[code] loading',
    empty: '/s/[code] unknown',
    error: '/s/[code] error',
    filled: '/s/[code] waiting, with another wallet',
  },
  '/wasm': { loading: '/wasm loading', empty: '/wasm empty', error: '/wasm error', filled: '/wasm filled' },
  '/wasm/operator': {
    loading: '/wasm/operator loading',
    empty: '/wasm/operator empty',
    error: '/wasm/operator error',
    filled: '/wasm/operator filled',
  },
}

test('X4 X5 X11 each route of Next’s own manifest stands in a table of its states, and each state has a scene or a reason', async () => {
  test.setTimeout(240_000)
  const manifest = join(await buildPages(() => undefined), 'wizard/.next/app-path-routes-manifest.json')
  const routes = Object.values(JSON.parse(readFileSync(manifest, 'utf8')) as Record<string, string>)
  // pictures and what Next itself answers have no data; operator-pages.e2e.ts and setup-states.e2e.ts have tables of their own
  const pages = routes.filter((route) => !/^\/(_|icon|operator\b|setup\b)/.test(route))
  expect(pages.toSorted()).toEqual(Object.keys(table).toSorted())
  const named = new Set(scenes.map(({ name }) => name))
  for (const [route, states] of Object.entries(table))
    for (const [state, scene] of Object.entries(states))
      expect(typeof scene === 'string' ? named.has(scene) : scene.because.length > 20, `${route} ${state}`).toBe(true)
})

test.beforeAll(async ({ stand }) => {
  if ((await stand.world.nextTokenId()) === 1n) await stand.buy(stand.wallet(5))
})
test.afterEach(({ stand }) => {
  for (const prefix of faulty) stand.fail(prefix, undefined)
  stand.world.closedBecause = null
  stand.world.nothingOnSale = false
  stand.world.wasm = undefined
})

/** What waits or failed is made of the same parts in either theme: the dark one looks at what is filled, with --all at everything. */
const inBothThemes = ({ name }: Scene): boolean => all || !/ (loading|unknown|error|closed|empty|signed out)$|nowhere/.test(name)

for (const scene of scenes.filter(({ onlyWithAll }) => all || onlyWithAll !== true)) {
  const themes = inBothThemes(scene) ? 'in both themes' : 'in one theme'
  test(`X4 X5 X11 X15 X16 X18 ${scene.name}: axe finds nothing ${themes}, nothing scrolls sideways`, async ({
    page,
    stand,
    useWallet,
  }) => {
    if (scene.wallet !== undefined) await useWallet([scene.wallet])
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
    const path = await scene.arrange(stand, page)
    await page.goto(stand.origin + path)
    await scene.act?.(page)
    await expect(scene.ready(page)).toBeVisible()
    for (const [look, colorScheme, width] of [
      ['whole', 'light', 1280],
      ['again', 'dark', 320],
    ] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await page.setViewportSize({ width, height: 800 })
      if (look === 'whole' || inBothThemes(scene)) expect(await axeFinds(page, look), colorScheme).toEqual([])
      expect(await sidewaysScroll(page), `${width} px`).toBeLessThanOrEqual(0)
    }
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.evaluate('document.documentElement.style.fontSize = "200%"')
    expect(await sidewaysScroll(page), '200 % text').toBeLessThanOrEqual(0)
  })
}

test('X18 X19 German, whose words are longer, fits at 320 px: storefront, purchase, own VMs, one VM, console and sign-in', async ({
  page,
  stand,
  useWallet,
  context,
}) => {
  await useWallet([5])
  await signedIn(page, stand)
  await context.addCookies([{ name: 'freehold-locale', value: 'de', url: stand.origin }])
  await page.setViewportSize({ width: 320, height: 800 })
  const vmId = `${stand.world.installation}-1`
  for (const path of [
    '/',
    '/plans/0',
    '/plans/0?days=30&step=review',
    '/my',
    `/vms/${vmId}`,
    `/vms/${vmId}/console`,
    `/s/${await stand.askShell(vmId, '203.0.113.7')}`,
  ]) {
    await page.goto(stand.origin + path)
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
    await expect(page.locator('main [aria-busy=true]')).toHaveCount(0)
    expect(await page.evaluate('document.documentElement.lang'), path).toBe('de')
    expect(await sidewaysScroll(page), path).toBeLessThanOrEqual(0)
    expect(await clippedText(page), path).toEqual([])
  }
})
