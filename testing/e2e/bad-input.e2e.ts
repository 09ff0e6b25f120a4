import { readFileSync } from 'node:fs'
import type { Page } from '@playwright/test'
import { clippedText, connect, expect, sidewaysScroll, signedIn, test } from './fixtures.ts'
import { settled, test as invented } from './invented-fixture.ts'
import { injectWallet } from '../stands/wallet.ts'
import { wasmOf } from './wasm-of.ts'

// By default one row of those that try the same place of the pages; FREEHOLD_ALL=1: every row.
const all = process.env['FREEHOLD_ALL'] === '1'

/** The browser's clock is wrong by so many seconds; timers go as ever. Runs in the page. */
const skewedBy = (seconds: number) => `(() => {
  const Real = Date
  const skew = ${seconds} * 1000
  globalThis.Date = class extends Real {
    constructor(...args) { args.length === 0 ? super(Real.now() + skew) : super(...args) }
    static now() { return Real.now() + skew }
  }
})()`

for (const [words, seconds] of [
  ['three days fast', 3 * 86_400],
  ...(all ? ([['three days slow', -3 * 86_400]] as const) : []),
] as const) {
  test(`X21 A9 S11 a browser whose clock is ${words} shows the time that is left by the host's clock, and signs in`, async ({
    page,
    stand,
    useWallet,
  }) => {
    const vmId = await stand.buy(stand.wallet(5), 5)
    await useWallet([5])
    await page.addInitScript(skewedBy(seconds))
    await signedIn(page, stand)
    await page.goto(`${stand.origin}/vms/${vmId}`)
    expect(Math.abs(Number(await page.evaluate('Date.now()')) - Date.now()), 'the clock of the page is wrong').toBeGreaterThan(
      86_400_000,
    )
    await expect(page.getByText(/^Ends in 4 days$/)).toBeVisible()
    const code = await stand.askShell(vmId)
    await page.goto(`${stand.origin}/s/${code}`)
    await expect(page.getByText(/4:[0-5]\d/).first()).toBeVisible()
    await connect(page)
    await page.getByRole('button', { name: 'Approve with your wallet' }).click()
    await expect(page.getByText('Go back to the terminal', { exact: false }).first()).toBeVisible()
  })
}

test('X21 a token that does not say its decimals is priced in its smallest units, never in a number that looks like another', async ({
  page,
  stand,
}) => {
  const known = stand.world.tokens.get(stand.devToken)
  stand.world.tokens.delete(stand.devToken)
  try {
    await page.goto(`${stand.origin}/plans/0?days=7&step=review&token=${stand.devToken}`)
    const short = `${stand.devToken.slice(0, 6)}…${stand.devToken.slice(-4)}`
    await expect(page.getByText(`3,500,000\u00a0units of ${short}`).first()).toBeVisible()
    await expect(page.getByText(/3\.5/)).toHaveCount(0)
  } finally {
    if (known !== undefined) stand.world.tokens.set(stand.devToken, known)
  }
})

/** What a stranger or an operator may have written as a name, and what it must not do to the page. */
const names = [
  ['500 characters', 'W'.repeat(500)],
  ...(all
    ? ([
        ['500 characters with spaces', 'Wallet of '.repeat(50)],
        // by default messages.test.ts has it, in the sentences that names stand in
        ['right to left', 'מחזיק הכרטיס של הרשת المحفظة'],
      ] as const)
    : []),
  ['turned around by a control character', 'Wallet\u202E 100 ETH'],
] as const

for (const [words, name] of names) {
  test(`X18 a name of ${words} neither widens a page nor turns the words around it`, async ({ page, stand }) => {
    stand.world.networkName = name
    const wallet = await injectWallet(page, {
      rpcUrl: stand.rpcUrl,
      keys: [stand.wallet(4).privateKey],
      name,
      startOn: 1,
      knowsNetwork: true,
    })
    try {
      for (const width of [320, 1280]) {
        await page.setViewportSize({ width, height: 800 })
        await page.goto(`${stand.origin}/plans/0?days=7&step=review`)
        const main = page.getByRole('main')
        const shown = name
          .replace(/\p{Cf}/gu, '')
          .trim()
          .slice(0, 12)
        if (width === 320) await main.getByRole('button', { name: shown }).click()
        await expect(main.getByRole('button', { name: /^Switch to/ })).toBeVisible()
        expect(await sidewaysScroll(page), `${width} px`).toBeLessThanOrEqual(0)
        expect(await clippedText(page)).toEqual([])
        expect(await main.innerText(), 'nothing turns the text around').not.toMatch(/[\u202A-\u202E]/)
        // what follows the name stays where it belongs: after it, from left to right
        const switching = main.getByRole('button', { name: /^Switch to/ })
        expect(await switching.evaluate((e) => e.ownerDocument.defaultView?.getComputedStyle(e).direction)).toBe('ltr')
      }
    } finally {
      stand.world.networkName = 'Local network'
      wallet.close()
    }
  })
}

/** Texts of the page in which somebody else's words may turn ours: neither in an element of their own nor between the signs for it. */
async function turnedText(page: Page): Promise<string[]> {
  return (await page.evaluate(`(() => {
    const found = []
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      if (node.parentElement?.closest('bdi, script, style') !== null) continue
      const rest = node.data.replaceAll(/\\u2068[^\\u2069]*\\u2069/g, '')
      if (/[\\u0590-\\u08FF\\u202A-\\u202E]/.test(rest)) found.push(node.data.slice(0, 60))
    }
    return found
  })()`)) as string[]
}

/** The name stands there, at 320 px and at 1280 px, and does nothing to what stands around it. */
async function bears(page: Page, url: string, name: string): Promise<void> {
  const shown = name
    .replace(/\p{Cf}.*/u, '')
    .trim()
    .slice(0, 12)
  for (const width of [320, 1280]) {
    await page.setViewportSize({ width, height: 800 })
    await page.goto(url)
    await settled(page)
    await expect(page.getByRole('main').getByText(shown).first(), url).toBeVisible()
    expect(await sidewaysScroll(page), `${url} ${width} px`).toBeLessThanOrEqual(0)
    expect(await clippedText(page), `${url} ${width} px`).toEqual([])
    expect(await turnedText(page), url).toEqual([])
  }
}

// No contract takes such a name of a plan, and a label is at most 80 signs: pages do not rely on it. What isolates a name within a
// sentence is held by messages.test.ts in every run; these are a minute.
if (all) {
  for (const [words, name] of names) {
    invented(
      `X18 a plan whose name is ${words}: storefront, purchase, own VMs, receipt, the operator’s tables`,
      async ({ page, stand }) => {
        invented.setTimeout(300_000)
        await stand.host.renamePlans(name)
        try {
          const token = await stand.host.sessionToken()
          const own = await fetch(`${stand.origin}/v1/vms`, { headers: { cookie: `__Host-freehold=${token}` } })
          const { items } = (await own.json()) as { items: { vmId: string; state: string }[] }
          const vmId = items.find(({ state }) => state === 'running')?.vmId ?? ''
          for (const path of [
            '/',
            '/plans/0',
            '/plans/0?days=7&step=review',
            '/my',
            `/vms/${vmId}`,
            '/operator',
            '/operator/vms',
            '/operator/plans',
          ])
            await bears(page, stand.origin + path, name)
          await page.goto(`${stand.origin}/vms/${vmId}`)
          const file = page.waitForEvent('download')
          await page.getByRole('button', { name: 'Download the receipt' }).click()
          const receipt = JSON.parse(readFileSync(await (await file).path(), 'utf8')) as { plan: string }
          expect(receipt.plan, 'the receipt has it as it is').toBe(name)
        } finally {
          await stand.host.renamePlans(undefined)
        }
      },
    )

    test(`X18 a key of WebAssembly whose label is ${words}, of a subscription called so`, async ({ page, stand, useWallet }) => {
      await useWallet([5])
      await signedIn(page, stand)
      stand.world.wasm = wasmOf(stand, { label: name, planName: name })
      try {
        for (const path of ['/wasm', '/wasm/operator']) await bears(page, stand.origin + path, name)
      } finally {
        stand.world.wasm = undefined
      }
    })
  }

  test('X2 X3 X4 an API that answers 500, and one that hangs: every page for subscribers says so in place of its data', async ({
    page,
    stand,
    useWallet,
    context,
  }) => {
    test.setTimeout(300_000)
    const vmId = await stand.buy(stand.wallet(5))
    await useWallet([5])
    await signedIn(page, stand)
    const routes = [
      ['/', '/v1/plans'],
      ['/plans/0', '/v1/plans'],
      ['/my', '/v1/vms'],
      [`/vms/${vmId}`, '/v1/vms'],
      ['/s/7QF3K2MD', '/v1/login-requests'],
      ['/wasm', '/v1/wasm'],
      ['/wasm/operator', '/v1/wasm'],
    ] as const
    try {
      for (const [path, prefix] of routes) {
        stand.fail(prefix, 'internal')
        await page.goto(stand.origin + path)
        const alert = page.getByRole('main').getByRole('alert').filter({ hasText: 'internal' }).first()
        await expect(alert, path).toContainText(/request \S+/)
        await expect(alert.getByRole('button', { name: 'Copy details' }), path).toBeVisible()
      }
      for (const [, prefix] of routes) stand.fail(prefix, 'hang')
      // all at once: how long a page waits for an answer is half a minute
      const tabs = await Promise.all(
        routes.map(async ([path]) => {
          const tab = await context.newPage()
          await tab.goto(stand.origin + path, { waitUntil: 'domcontentloaded' })
          return { path, main: tab.getByRole('main') }
        }),
      )
      for (const { path, main } of tabs) {
        await expect(main.locator('[aria-busy=true]').first(), path).toBeVisible()
        await expect(main.getByRole('status').filter({ hasText: 'Loading' }).first(), path).toBeAttached()
      }
      for (const { path, main } of tabs)
        await expect(main.getByRole('alert').filter({ hasText: 'The host does not answer' }).first(), path).toBeVisible({
          timeout: 60_000,
        })
    } finally {
      for (const [, prefix] of routes) stand.fail(prefix, undefined)
    }
  })
}
