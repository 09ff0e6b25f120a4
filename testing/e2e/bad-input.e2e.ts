import { clippedText, connect, expect, sidewaysScroll, signedIn, test } from './fixtures.ts'
import { injectWallet } from '../stands/wallet.ts'

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
  ...(all ? ([['500 characters with spaces', 'Wallet of '.repeat(50)]] as const) : []),
  ['right to left', 'מחזיק הכרטיס של הרשת المحفظة'],
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
