import { AxeBuilder } from '@axe-core/playwright'
import { expect, test as base, type Page } from '@playwright/test'
import { buildPages } from '@freehold/appliance/dev/builds'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { createWasmClient, WasmCallError } from '@freehold/wasm-client/client'
import { fromText } from 'wasmtime-node/wat'
import { injectWallet } from '../stands/wallet.ts'
import { startWasmHost, type WasmHostStand } from '../wasm-host/stand.ts'
import { connect, sidewaysScroll } from './fixtures.ts'
import { perWorker } from './per-worker.ts'

// the whole of it: chain, contract, daemon, freehold-wasmd; the hypervisor alone is played
const test = base.extend<object, { host: WasmHostStand }>({
  host: perWorker(async () => await startWasmHost({ pages: await buildPages(() => undefined) }), 180_000),
})

async function signIn(page: Page, host: WasmHostStand, index: number, path: string): Promise<void> {
  await injectWallet(page, { rpcUrl: host.chain.url, keys: [devWallet(index).privateKey] })
  await page.goto(host.origin + path)
  await connect(page)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

/** Both themes, wide and narrow, large text: axe finds nothing, nothing scrolls sideways. */
async function looksRight(page: Page): Promise<void> {
  for (const [colorScheme, width] of [
    ['light', 1280],
    ['dark', 320],
  ] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await page.setViewportSize({ width, height: 800 })
    const { violations } = await new AxeBuilder({ page }).analyze()
    expect(violations.map((v) => `${colorScheme} ${v.id}: ${v.nodes.map((n) => n.html).join(' | ')}`)).toEqual([])
    expect(await sidewaysScroll(page), `${width} px`).toBeLessThanOrEqual(0)
  }
  await page.setViewportSize({ width: 1280, height: 800 })
}

const double = await fromText('(module (func (export "main") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2))))')
const trap = await fromText('(module (func (export "main") unreachable))')
const call = (value?: number) => ({
  function_name: 'main',
  arguments: value === undefined ? [] : [{ value }],
  timeout_seconds: 2,
  gas_limit: '1000',
})

test('X4 X11 X15 X16 a holder makes a key, runs with it, sees usage and receipts, and checks one', async ({ page, host }) => {
  await page.goto(host.origin)
  const plan = page.getByRole('article', { name: 'Functions' })
  await expect(plan).toContainText('20,000 gas a day')
  await page.getByRole('link', { name: 'WASM' }).click()
  await expect(page.getByRole('heading', { name: 'WebAssembly', level: 1 })).toBeVisible()

  await host.buy(4, 10 * 86_400)
  await signIn(page, host, 4, '/wasm')
  await expect(page.getByRole('heading', { name: 'Functions' })).toBeVisible()
  await page.getByRole('link', { name: 'Extend, transfer or cancel' }).click()
  await expect(page.getByRole('heading', { name: 'Extend' })).toBeVisible()
  await page.getByRole('link', { name: 'Keys, usage and receipts' }).click()
  await page.getByRole('button', { name: 'Make a key' }).click()
  await expect(page.getByText('Write a few words')).toBeVisible()
  await page.getByLabel('What the new key is for').fill('nightly job')
  await page.getByRole('button', { name: 'Make a key' }).click()
  const shown = page.getByRole('group', { name: 'The new key' })
  await expect(shown).toContainText(/^whv_/)
  const apiKey = (await shown.textContent()) ?? ''

  const client = createWasmClient({ url: host.wasmUrl, apiKey, hostKey: 'first-seen' })
  const ran = await client.run(double, call(21))
  expect(ran.results).toEqual([{ type: 'i32', value: 42 }])
  await expect(client.run(trap, call())).rejects.toBeInstanceOf(WasmCallError)
  await expect(page.getByText('returned', { exact: true })).toBeVisible()
  await expect(page.getByText('trapped', { exact: true })).toBeVisible()
  await expect(page.getByRole('progressbar', { name: 'Gas used' })).toHaveAttribute('aria-valuetext', / of 20,000$/)

  const receipt = page.getByLabel('Receipt', { exact: true })
  const check = page.getByRole('button', { name: 'Check it' })
  await receipt.fill('no receipt')
  await check.click()
  await expect(page.getByText('This is no receipt')).toBeVisible()
  await receipt.fill(ran.jws)
  await check.click()
  await expect(page.getByText('The receipt holds')).toBeVisible()
  await expect(page.getByText(ran.receipt.program)).toBeVisible()
  await receipt.fill(`${ran.jws.slice(0, 90)}${ran.jws[90] === 'A' ? 'B' : 'A'}${ran.jws.slice(91)}`)
  await check.click()
  await expect(page.getByText('The receipt does not hold')).toBeVisible()
  await looksRight(page)

  // X9: what cannot be undone is asked twice
  await page.getByRole('button', { name: 'Revoke nightly job' }).click()
  await page.getByRole('button', { name: /^Revoke nightly job now/ }).click()
  await expect(page.getByText('Revoked', { exact: true })).toBeVisible()
  await expect(client.run(double, call(1))).rejects.toMatchObject({ code: 'UNAUTHORIZED' })

  await page.getByLabel('Language').selectOption('de')
  await expect(page.getByRole('heading', { name: 'Quittung prüfen' })).toBeVisible()
})

test('X4 X11 X15 the operator sees runs, errors by type, capacity and keys; nobody else does', async ({
  page,
  browser,
  host,
}) => {
  const other = await browser.newPage({ locale: 'en-GB' })
  await signIn(other, host, 4, '/wasm/operator')
  await expect(other.getByRole('alert').filter({ hasText: 'not-allowed' })).toBeVisible()
  await other.close()
  await signIn(page, host, 0, '/wasm/operator')
  await expect(page.getByText('All is well')).toBeVisible()
  const today = page.getByRole('table', { name: 'Runs today by outcome' })
  await expect(today.getByRole('row', { name: /^OK 1 / })).toBeVisible()
  await expect(today.getByRole('row', { name: /^WASM_TRAP 1 / })).toBeVisible()
  await expect(page.getByText('1 of 1, replaced 0 times')).toBeVisible()
  await expect(page.getByText('nightly job')).toBeVisible()
  await looksRight(page)
})
