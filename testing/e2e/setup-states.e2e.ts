import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { wizardSchema } from '@freehold/appliance/api/schemas/setup-wizard'
import { startRpcFront } from '@freehold/appliance/chain/rpc-front'
import { buildPages } from '@freehold/appliance/dev/builds'
import { test as base, expect, type Page } from '@playwright/test'
import { startFaultFront, type FaultFront } from '../stands/fault-front.ts'
import { startWizardStand, type WizardStand } from '../stands/wizard-stand.ts'
import { arrange, setupScenes, type Scene } from '../setup/scenes.ts'
import { axeFinds } from './axe.ts'
import { clippedText, sidewaysScroll } from './fixtures.ts'
import { oneContext, type Shared } from './one-context.ts'
import { perWorker } from './per-worker.ts'

// All pages of the wizard × all states in both themes are minutes: by default each page is seen filled in both themes, and all
// states on the pages that show them in a way of their own. FREEHOLD_ALL=1: all on every page, and axe whole in both themes.
const all = process.env['FREEHOLD_ALL'] === '1'
const scenes = setupScenes()
const due = scenes.filter(({ page, state }) => all || ['code', 'address', 'review', 'run'].includes(page) || state === 'filled')

interface HostBehindFront extends FaultFront {
  host: WizardStand
  stop(): Promise<void>
}

async function startWizardBehindFront(): Promise<HostBehindFront> {
  const host = await startWizardStand()
  const front = await startFaultFront(host.origin)
  const stop = async () => {
    await front.close()
    await host.stop()
  }
  return { ...front, host, stop }
}

const test = base.extend<object, Shared & { front: HostBehindFront }>({
  ...oneContext,
  front: perWorker(startWizardBehindFront, 240_000),
})

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

async function axe(page: Page, name: string, look: 'whole' | 'again' = 'whole'): Promise<void> {
  expect((await axeFinds(page, look)).map((found) => `${name} ${found}`)).toEqual([])
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
      await axe(page, 'dark, narrow', 'again')
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

/** The scene of this name. */
function sceneOf(name: string): Scene {
  const found = scenes.find((scene) => scene.name === name)
  if (found === undefined) throw new TypeError(`the scene ${name} is gone`)
  return found
}

const stage = (page: Page, name: string) => page.getByRole('heading', { level: 2, name, exact: true })

test('X3 a field that the host refuses has the focus, and says there what is wrong', async ({ page, front }) => {
  await open(page, front, sceneOf('people error'))
  await expect(page.getByLabel('Owner: governs the contract')).toBeFocused()
  await expect(page.getByLabel('Owner: governs the contract')).toHaveAttribute('aria-invalid', 'true')
})

test('X2 X3 a refusal stands once at each field; the box leads there, and tells only what has no field, by a name for people', async ({
  page,
  front,
}) => {
  await open(page, front, sceneOf('people filled'))
  const told = page.getByRole('main').getByText('So the host says of this field.')
  front.play('/v1/setup/answers/people', { refused: ['/roles/owner', '/roles/treasury', '/roles/deputies/0'] })
  await page.getByRole('button', { name: 'Save and go on' }).click()
  const box = page.getByRole('alert').filter({ hasText: 'bad-input' })
  await expect(box.getByText('3 fields want attention')).toBeVisible()
  await expect(told).toHaveCount(3)
  await expect(box.getByText('So the host says of this field.')).toHaveCount(1)
  await expect(box.getByRole('listitem').last()).toHaveText('deputies.0So the host says of this field.')
  await expect(box).not.toContainText('/roles')
  await expect(page.getByLabel('Owner: governs the contract')).toBeFocused()
  await box.getByRole('button', { name: 'Treasury: is paid' }).press('Enter')
  await expect(page.getByLabel('Treasury: is paid')).toBeFocused()
  await axe(page, 'three fields')
})

test('X3 a choice that is refused says so at the choice, also where only the review finds it; the review leads there', async ({
  page,
  front,
}) => {
  await open(page, front, sceneOf('tls filled'))
  const proof = page.getByRole('radiogroup', { name: 'How the name is proven' })
  front.play('/v1/setup/answers/tls', { refused: '/tls/proof' })
  await page.getByRole('button', { name: 'Save and go on' }).click()
  await expect(proof).toHaveAttribute('aria-invalid', 'true')
  await expect(proof).toHaveAccessibleDescription(/So the host says of this field\./)
  await expect(proof.getByRole('radio', { name: /Over port 80/ })).toBeFocused()
  await expect(page.getByRole('main').getByText('So the host says of this field.')).toHaveCount(1)
  await axe(page, 'a choice')
  // what two pages say together is found by the review alone
  await open(page, front, {
    ...sceneOf('review filled'),
    shows: /want/,
    play: sceneOf('review filled')
      .play.filter(([path]) => path !== '/v1/setup/review')
      .concat([['/v1/setup/review', { refused: '/tls/proof' }]]),
  })
  const box = page.getByRole('alert').filter({ hasText: 'bad-input' })
  await expect(box.getByText('1 field wants attention')).toBeVisible()
  await box.getByRole('button', { name: 'Certificate: How the name is proven' }).click()
  await expect(stage(page, 'Certificate')).toBeVisible()
  await expect(proof).toHaveAccessibleDescription(/So the host says of this field\./)
  // a new choice is no longer the refused one
  await proof.getByRole('radio', { name: /By a broker/ }).check()
  await expect(proof).not.toHaveAttribute('aria-invalid', 'true')
})

test('X14 a field has its label, and hint and error are tied to it', async ({ page, front }) => {
  await open(page, front, sceneOf('address error'))
  const field = page.getByRole('textbox', { name: 'Address', exact: true })
  await expect(field).toHaveAccessibleDescription(/Such as https:\/\/host\.example.*So the host says of this field\./)
})

test('X6 X8 while the link is lost the form stays, dated, and its button is off and says why; it comes back by itself', async ({
  page,
  front,
}) => {
  await open(page, front, sceneOf('address filled'))
  const field = page.getByRole('textbox', { name: 'Address', exact: true })
  await field.fill('https://typed-before.example')
  await page.context().setOffline(true)
  await expect(page.getByRole('status').filter({ hasText: 'No link to this host' })).toContainText(/\d{1,2}:\d{2}/)
  await expect(field).toHaveValue('https://typed-before.example')
  const button = page.getByRole('button', { name: 'Save and go on' })
  await expect(button).toHaveAttribute('aria-disabled', 'true')
  await expect(button).toHaveAccessibleDescription('No link to the host right now.')
  await page.context().setOffline(false)
  await expect(button).not.toHaveAttribute('aria-disabled', 'true')
  await expect(field).toHaveValue('https://typed-before.example')
})

test('X3 W6 two operators at once: what the other browser answered is said above the form, nothing typed is lost, and it can be taken over', async ({
  page,
  front,
}) => {
  const scene = sceneOf('address filled')
  await open(page, front, scene)
  const field = page.getByRole('textbox', { name: 'Address', exact: true })
  await field.fill('https://mine.example')
  // the host refuses an answer that was made from an old one
  front.play('/v1/setup/answers/address', { code: 'not-in-this-state' })
  await page.getByRole('button', { name: 'Save and go on' }).click()
  await expect(page.getByRole('alert').filter({ hasText: 'not-in-this-state' })).toBeVisible()
  const [path, fault] = scene.play.find(([prefix]) => prefix === '/v1/setup/wizard') ?? []
  if (path === undefined || typeof fault !== 'object' || !('answer' in fault)) throw new TypeError('the scene has no view')
  const view = wizardSchema.parse(fault.answer)
  const sections = view.sections.map((one) =>
    one.name === 'address' ? { ...one, revision: one.revision + 1, value: { origin: 'https://theirs.example' } } : one,
  )
  front.play(path, { answer: { ...view, sections, browsers: 2 } })
  const told = page.getByRole('status').filter({ hasText: 'Another browser has changed this page' })
  await expect(told).toBeVisible()
  await expect(field).toHaveValue('https://mine.example')
  await axe(page, 'answered elsewhere')
  await told.getByRole('button').click()
  await expect(field).toHaveValue('https://theirs.example')
  await expect(told).toHaveCount(0)
})

test('X8 a page that comes later is off and says why, also to keyboard and screen reader', async ({ page, front }) => {
  await open(page, front, sceneOf('address empty'))
  const review = page.getByRole('navigation', { name: 'Pages of the setup' }).getByRole('button', { name: /^Review/ })
  await expect(review).toHaveAttribute('aria-disabled', 'true')
  await expect(review).toHaveAccessibleDescription('Comes when the pages before it are answered.')
  await review.press('Enter')
  await expect(stage(page, 'Address')).toBeVisible()
})

test('X10 the address says which page it is: back, forward, reload and a sent link show the same', async ({ page, front }) => {
  await open(page, front, sceneOf('address filled'))
  await page
    .getByRole('navigation', { name: 'Pages of the setup' })
    .getByRole('button', { name: /^Wallets/ })
    .click()
  await expect(stage(page, 'Wallets')).toBeVisible()
  expect(new URL(page.url()).search).toBe('?page=people')
  await page.goBack()
  await expect(stage(page, 'Address')).toBeVisible()
  await page.goForward()
  await expect(stage(page, 'Wallets')).toBeVisible()
  await page.reload()
  await expect(stage(page, 'Wallets')).toBeVisible()
  const sent = await page.context().newPage()
  await sent.goto(page.url())
  await expect(stage(sent, 'Wallets')).toBeVisible()
})

test('X12 X13 a change of page brings the focus to it by its name, and the title of the window says it', async ({
  page,
  front,
}) => {
  await open(page, front, sceneOf('address filled'))
  await expect(page).toHaveTitle('Address · Freehold')
  await page
    .getByRole('navigation', { name: 'Pages of the setup' })
    .getByRole('button', { name: /^Guest image/ })
    .press('Enter')
  await expect(stage(page, 'Guest image')).toBeFocused()
  await expect(page).toHaveTitle('Guest image · Freehold')
})

test('X7 W11 the run: named phase, time so far, the log to copy and to keep; reloaded it is the same', async ({
  page,
  front,
}) => {
  await open(page, front, sceneOf('run waiting for funds'))
  for (const again of [false, true]) {
    if (again) await page.reload()
    await expect(page.getByText(/Running for [1-9]\d* min/)).toBeVisible()
    await expect(page.getByRole('listitem').filter({ hasText: 'waiting for 0.05 at' })).toHaveAttribute('aria-current', 'step')
    await expect(page.getByRole('region', { name: 'Log' })).toContainText('network 424242 answers')
    await expect(page.getByRole('button', { name: 'Download the log' })).toBeEnabled()
    await expect(page.getByRole('button', { name: 'Copy Log' })).toBeEnabled()
  }
})

test('X16 the QR code of an address stays dark on light in the dark theme', async ({ page, front }) => {
  await page.emulateMedia({ colorScheme: 'dark' })
  await open(page, front, sceneOf('run waiting for funds'))
  const code = page.getByRole('img', { name: 'The address as a QR code' })
  await expect(code.locator('rect')).toHaveCSS('fill', 'rgb(255, 255, 255)')
  await expect(code.locator('path')).toHaveCSS('fill', 'rgb(0, 0, 0)')
})

test('X9 nothing is taken back before it is said what goes and what stays, and somebody confirms', async ({ page, front }) => {
  const asked: string[] = []
  page.on('request', (request) => asked.push(`${request.method()} ${new URL(request.url()).pathname}`))
  await open(page, front, sceneOf('run error that may be skipped'))
  await expect(page.getByText('These go:')).toBeVisible()
  await expect(page.getByText('These stay:')).toBeVisible()
  await page.getByRole('button', { name: 'Leave it as it is' }).click()
  await expect(page.getByText('These go:')).toHaveCount(0)
  expect(asked.filter((one) => one.startsWith('POST') && one.includes('undo'))).toEqual([])
})

test('W4 the recovery key that a page makes is sent to nobody and kept nowhere; only its public half becomes the answer', async ({
  page,
  front,
}) => {
  const left: Promise<string>[] = []
  page.on('request', (request) => {
    const body = request.postDataBuffer()?.toString('latin1') ?? ''
    left.push(
      request
        .allHeaders()
        .catch(() => request.headers())
        .then((headers) => `${request.url()} ${JSON.stringify(headers)} ${body}`),
    )
  })
  page.on('websocket', (socket) => {
    left.push(Promise.resolve(socket.url()))
    socket.on('framesent', ({ payload }) => left.push(Promise.resolve(payload.toString())))
  })
  await open(page, front, sceneOf('backup filled'))
  await page.getByRole('button', { name: 'Make a recovery key' }).click()
  const made = (await page.getByRole('group', { name: 'Recovery key' }).textContent()) ?? ''
  expect(made).toMatch(/^AGE-SECRET-KEY-1[0-9A-Z]{58}$/)
  await page.getByRole('checkbox', { name: /^I keep the recovery key/ }).check()
  const recipient = await page.getByLabel('Recipient: its public half').inputValue()
  const saved = page.waitForRequest((request) => request.method() === 'PUT' && request.url().endsWith('/answers/backup'))
  await page.getByRole('button', { name: 'Save and go on' }).click()
  expect((await saved).postData()).toContain(recipient)
  const kept = (await page.evaluate(
    `JSON.stringify([location.href, document.cookie, { ...localStorage }, { ...sessionStorage }])`,
  )) as string
  const sent = await Promise.all(left)
  expect(sent.length).toBeGreaterThan(5)
  const secrets = [made, Buffer.from(made).toString('base64'), encodeURIComponent(made)].map((one) => one.toLowerCase())
  expect([...sent, kept].filter((one) => secrets.some((secret) => one.toLowerCase().includes(secret)))).toEqual([])
})

test('X22 the wizard asks nothing of third parties, and its policy allows nobody else', async ({ page, front }) => {
  const asked = new Set<string>()
  page.on('request', (request) => asked.add(new URL(request.url()).origin))
  arrange(front, sceneOf('chain filled'))
  const answer = await page.goto(front.origin + sceneOf('chain filled').path)
  await expect(stage(page, 'Network')).toBeVisible()
  const policy = answer?.headers()['content-security-policy'] ?? ''
  expect(policy).toMatch(/script-src 'self' 'nonce-[A-Za-z0-9+/=]{20,}' 'strict-dynamic'/)
  for (const rule of ["default-src 'none'", "connect-src 'self'", "img-src 'self' data:", "font-src 'self'"]) {
    expect(policy.split('; ')).toContain(rule)
  }
  expect([...asked]).toEqual([front.origin])
})

// From here on nothing is played: the host behind the front is a real one, which nobody has set up, with a real chain.

const owner = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
const treasury = '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC'
const sold = { name: 'Small', vcpus: 1, memoryMiB: 512, diskGiB: 4, graceDays: 7, capacity: 4, prices: { native: '1000' } }
const machine = (storage: string) => ({ hypervisor: { kind: 'fake', createSeconds: 0, storages: [storage] } })

async function enterHost(page: Page, front: HostBehindFront): Promise<void> {
  front.clear()
  await page.goto(`${front.origin}/setup`)
  await page.getByLabel('Code', { exact: true }).fill(await front.host.code())
  await page.getByRole('button', { name: 'Go on', exact: true }).click()
  await expect(page.getByRole('navigation', { name: 'Pages of the setup' })).toBeVisible()
}

/** Answers of pages that the test is not about, in the order of the pages. */
async function answer(page: Page, answers: Record<string, unknown>): Promise<void> {
  await page.evaluate(async (all) => {
    for (const [name, value] of Object.entries(all)) {
      const view = (await (await fetch('/v1/setup/wizard')).json()) as { sections: { name: string; revision: number }[] }
      const revision = view.sections.find((one) => one.name === name)?.revision ?? 0
      const { ok, status } = await fetch(`/v1/setup/answers/${name}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ revision, value }),
      })
      if (!ok) throw new Error(`${name}: ${status}`)
    }
  }, answers)
}

/** What the page says of one live check: its title, then these. */
async function told(page: Page, title: string, ...words: readonly (string | RegExp)[]): Promise<void> {
  const row = page.getByRole('region', { name: 'Live checks' }).getByRole('listitem').filter({ hasText: title })
  for (const one of words) await expect(row).toContainText(one)
}

test('W8 X2 bad answers over the real API, each on its page with what was seen, what to do and a code: two nodes that lie, a contract of something else, a key without funds, plans larger than the host, a storage without room', async ({
  page,
  front,
}) => {
  const { host } = front
  const node = await startRpcFront(host.rpcUrl)
  try {
    await enterHost(page, front)
    const chain = { chainId: 31337, name: 'Local network', rpcUrls: [host.rpcUrl], confirmations: 1 }
    await answer(page, {
      address: { origin: host.origin },
      chain: { chain, publicChain: false },
      people: { roles: { owner, treasury }, deployment: 'wallet' },
      ...machineAnswers('sentinel-full'),
    })

    await page.goto(`${front.origin}/setup?page=chain`)
    const rpc = page.getByLabel('Address of a node (RPC)')
    await rpc.fill(node.url('sentinel-other-chain'))
    const answers = 'The node answers and is on this network'
    await told(
      page,
      answers,
      'failed',
      /127\.0\.0\.1:\d+ serves network \d+, the answers say 31337/,
      'Check chain id and RPC address.',
      'wrong-chain',
    )
    await rpc.fill(node.url('sentinel-no-finalized'))
    await told(page, answers, 'passed')
    await told(
      page,
      'The node tells which blocks are final',
      'failed',
      /127\.0\.0\.1:\d+ tells no finalized block/,
      'Use a node of a network that finalizes',
      'rpc-unreachable',
    )

    await page.goto(`${front.origin}/setup?page=existing`)
    await page.getByRole('radio', { name: /It comes back/ }).check()
    await page.getByLabel('Address of its contract').fill(treasury)
    await told(
      page,
      'The contract is one of Freehold',
      'failed',
      `What is at ${treasury}`,
      'is no contract of Freehold',
      'Take the address from the former configuration',
      'contract-missing',
    )

    await page.goto(`${front.origin}/setup?page=people`)
    await page.getByRole('radio', { name: /A key of this host/ }).check()
    await told(
      page,
      'The key of this host can pay',
      'passed with a remark',
      'A key of this host needs 0.12 to deploy the contract',
      'waits for the payment',
    )

    await page.goto(`${front.origin}/setup?page=plans`)
    await page.getByLabel('Disk, GiB').fill('4000000')
    await told(
      page,
      'The plans fit the host',
      'failed',
      'the plan Small is larger than this host',
      '2000 GiB',
      'Make the plan smaller.',
      'capacity-exceeded',
    )

    await page.goto(`${front.origin}/setup?page=hypervisor`)
    await told(
      page,
      'There is room',
      'failed',
      '0 of 2000 GiB of the storage are free',
      'Free space on it or add another one',
      'storage-full',
    )
    await axe(page, 'no room')
  } finally {
    await node.close()
  }
})

/** The pages from the hypervisor on, which lean on it: answered anew where it changes. */
function machineAnswers(storage: string): Record<string, unknown> {
  return {
    hypervisor: machine(storage),
    network: { network: {} },
    template: { template: {} },
    plans: { plans: [sold] },
    backup: { backup: {} },
  }
}

test('W12 X2 a storage without room, then a guest image that is built half-way: the run names step, cause, hint and code; another try goes on, nothing is done twice, and nothing half-built is a template', async ({
  page,
  front,
}) => {
  const { host } = front
  const world = async () =>
    JSON.parse(await readFile(join(host.stateFolder, 'fake-world.json'), 'utf8').catch(() => '{"templates":[]}')) as {
      templates: { sha256: string }[]
    }
  const chain = { chainId: 31337, name: 'Local network', rpcUrls: [host.rpcUrl], confirmations: 1 }
  await enterHost(page, front)
  await answer(page, {
    address: { origin: host.origin },
    chain: { chain, publicChain: false },
    people: { roles: { owner, treasury }, deployment: 'wallet' },
    ...machineAnswers('sentinel-full'),
  })
  await page.goto(`${front.origin}/setup?page=review`)
  await page.getByRole('button', { name: 'Confirm and set up' }).click()
  const failed = page.getByRole('main').getByRole('listitem').filter({ hasText: ', failed' })
  const cause = page.getByRole('main').getByRole('alert')
  await expect(cause).toContainText('The storage is full')
  await expect(failed).toHaveText(/^.Guest image, failed$/)
  for (const words of ['no room to import the template of 1 MiB', 'Free space on it or add another one', 'storage-full'])
    await expect(cause).toContainText(words)
  await axe(page, 'no room for the image')

  await answer(page, machineAnswers('sentinel-flaky'))
  await page.getByRole('button', { name: 'Try again' }).click()
  await expect(cause).toContainText('A program failed')
  await expect(failed).toHaveText(/^.Guest image, failed$/)
  for (const words of ['ended half-way, at 16 of 32 bytes', 'See the log of the host.', 'process-failed'])
    await expect(cause).toContainText(words)
  expect((await world()).templates).toEqual([])

  await page.getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByText('Sign the deployment with your wallet')).toBeVisible()
  await expect(cause).toHaveCount(0)
  await expect(failed).toHaveCount(0)
  const whole = createHash('sha256').update('the image of the fake hypervisor').digest('hex')
  expect((await world()).templates.map(({ sha256 }) => sha256)).toEqual([whole])
  const log = page.getByRole('region', { name: 'Log' })
  await expect(log).toContainText(`template ${whole.slice(0, 12)}`)
  expect((await log.textContent())?.match(/template [0-9a-f]{12}/g)).toHaveLength(1)
})
