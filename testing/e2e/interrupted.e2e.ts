import { Contract } from 'ethers'
import { localRpc } from '@freehold/appliance/dev/local-chain'
import { zeroAddress } from '@freehold/appliance/chain/subscription'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import type { Browser } from '@playwright/test'
import type { PagesStand } from '../stands/pages-api.ts'
import { injectWallet } from '../stands/wallet.ts'
import { connect, expect, signIn, test } from './fixtures.ts'

const review = '/plans/0?days=7&step=review'

/** Another browser of the same person: nothing of the first one but the wallet. */
async function elsewhere(browser: Browser, stand: PagesStand, index: number) {
  const context = await browser.newContext()
  const page = await context.newPage()
  const wallet = await injectWallet(page, { rpcUrl: stand.rpcUrl, keys: [stand.wallet(index).privateKey] })
  return {
    page,
    async close() {
      wallet.close()
      await context.close()
    },
  }
}

/** What only the owner of the contract may do. */
const asOwner = (stand: PagesStand) => new Contract(stand.world.contractAddress, subscriptionsInterface, stand.wallet(1))

/** The local chain gives coins to the first ten wallets only; these tests want wallets that nobody else uses. */
const funded = [10, 11, 12]
test.beforeAll(async ({ stand }) => {
  for (const index of funded) await localRpc(stand.rpcUrl, 'anvil_setBalance', [stand.wallet(index).address, '0xde0b6b3a7640000'])
})

test.afterEach(async ({ stand }) => {
  stand.fail('/v1/', undefined)
  await localRpc(stand.rpcUrl, 'evm_setAutomine', [true])
  await localRpc(stand.rpcUrl, 'evm_mine')
})

test('S7 the tab is closed as soon as the wallet has sent: another browser with the same wallet finds the VM', async ({
  page,
  stand,
  useWallet,
  browser,
}) => {
  const wallet = await useWallet([9])
  await page.goto(stand.origin + review)
  await connect(page)
  await page.getByRole('button', { name: /^Pay/ }).click()
  await expect.poll(() => wallet.calls.some((c) => c.method === 'eth_sendTransaction')).toBe(true)
  await page.close()
  const other = await elsewhere(browser, stand, 9)
  try {
    await signIn(other.page, stand)
    await expect(other.page.getByRole('article').getByText('Running')).toBeVisible({ timeout: 60_000 })
  } finally {
    await other.close()
  }
})

test('S7 S8 a payment that waits is shown as waiting on any browser, and goes on when the network takes it', async ({
  page,
  stand,
  useWallet,
  browser,
}) => {
  await useWallet([10])
  await localRpc(stand.rpcUrl, 'evm_setAutomine', [false])
  await page.goto(stand.origin + review)
  await connect(page)
  await page.getByRole('button', { name: /^Pay/ }).click()
  await expect(page).toHaveURL(/tx=0x/)
  const progress = page.url()
  await page.close()
  const other = await elsewhere(browser, stand, 10)
  try {
    await other.page.goto(progress)
    await expect(other.page.getByText('You may close this page.')).toBeVisible()
    await localRpc(stand.rpcUrl, 'evm_setAutomine', [true])
    await localRpc(stand.rpcUrl, 'evm_mine')
    await expect(other.page.getByText('Your VM is ready')).toBeVisible({ timeout: 60_000 })
  } finally {
    await other.close()
  }
})

test('S8 a payment that was dropped is named as such, with what to do', async ({ page, stand, useWallet }) => {
  test.setTimeout(120_000)
  await useWallet([11])
  await localRpc(stand.rpcUrl, 'evm_setAutomine', [false])
  await page.goto(stand.origin + review)
  await connect(page)
  await page.getByRole('button', { name: /^Pay/ }).click()
  await expect(page).toHaveURL(/tx=0x/)
  const hash = new URL(page.url()).searchParams.get('tx') ?? ''
  await localRpc(stand.rpcUrl, 'anvil_dropTransaction', [hash])
  await expect(page.getByText('The network has not seen this payment yet')).toBeVisible({ timeout: 60_000 })
  await page.getByRole('link', { name: 'Begin again' }).click()
  await expect(page.getByRole('heading', { name: /^1\./ })).toBeVisible()
})

test('S8 X6 the host goes away while it is being prepared, and comes back: the page goes on where it stands', async ({
  page,
  stand,
  useWallet,
}) => {
  await useWallet([12])
  stand.world.deliveryHeld = true
  try {
    await page.goto(stand.origin + review)
    await connect(page)
    await page.getByRole('button', { name: /^Pay/ }).click()
    await expect(page.getByText('You may close this page.')).toBeVisible()
    stand.fail('/v1/', 'down')
    await expect(page.getByText('No link to this host')).toBeVisible({ timeout: 30_000 })
    await expect(page.getByText('Payment confirmed')).toBeVisible()
  } finally {
    stand.world.deliveryHeld = false
    stand.fail('/v1/', undefined)
  }
  await expect(page.getByText('Your VM is ready')).toBeVisible({ timeout: 60_000 })
})

test('S4 S8 a price that was raised between view and signature is not paid: the wallet is not even asked', async ({
  page,
  stand,
  useWallet,
}) => {
  const wallet = await useWallet([4])
  await page.goto(stand.origin + review)
  await connect(page)
  await expect(page.getByRole('button', { name: /^Pay 0\.007/ })).toBeVisible()
  // the page must not learn of it in time
  stand.fail('/v1/plans', 'hang')
  await (
    await asOwner(stand)
      .getFunction('setPrice')
      .send(0, zeroAddress, 2n * 10n ** 15n)
  ).wait()
  try {
    await page.getByRole('button', { name: /^Pay/ }).click()
    await expect(page.getByRole('alert').filter({ hasText: 'OverMaxPayment' })).toBeFocused()
    expect(wallet.calls.map((c) => c.method)).not.toContain('eth_sendTransaction')
  } finally {
    await (
      await asOwner(stand)
        .getFunction('setPrice')
        .send(0, zeroAddress, 10n ** 15n)
    ).wait()
    stand.fail('/v1/plans', undefined)
  }
})

test('S8 a plan that was closed between view and signature is refused with its reason before the wallet opens', async ({
  page,
  stand,
  useWallet,
}) => {
  const wallet = await useWallet([4])
  await page.goto(stand.origin + review)
  await connect(page)
  await expect(page.getByRole('button', { name: /^Pay/ })).not.toHaveAttribute('aria-disabled')
  stand.fail('/v1/plans', 'hang')
  await (await asOwner(stand).getFunction('setOpen').send(0, false)).wait()
  try {
    await page.getByRole('button', { name: /^Pay/ }).click()
    await expect(page.getByRole('alert').filter({ hasText: 'PlanClosed' })).toBeFocused()
    expect(wallet.calls.map((c) => c.method)).not.toContain('eth_sendTransaction')
  } finally {
    await (await asOwner(stand).getFunction('setOpen').send(0, true)).wait()
    stand.fail('/v1/plans', undefined)
  }
})

test('S8 A5 another account chosen in the middle pays for itself, and one that is locked is asked for again', async ({
  page,
  stand,
  useWallet,
}) => {
  const wallet = await useWallet([4, 5])
  await page.goto(stand.origin + review)
  await connect(page)
  await wallet.choose(1)
  await expect(page.getByTitle(wallet.addresses[1] ?? '').first()).toBeVisible()
  await page.evaluate(`dispatchEvent(new CustomEvent('test-wallet:accountsChanged', { detail: [] }))`)
  await expect(page.getByRole('button', { name: 'Test Wallet' })).toBeVisible()
  await expect(page.getByRole('button', { name: /^Pay/ })).toHaveAttribute('aria-disabled', 'true')
  await expect(page).toHaveURL(/days=7/)
})

test('S1 the storefront needs at most 200 kB of script, gzipped, for its first page', async ({ page, stand }) => {
  const { gzipSync } = await import('node:zlib')
  const scripts = new Map<string, number>()
  page.on('response', (response) => {
    if (response.request().resourceType() !== 'script') return
    void response.body().then(
      (body) => scripts.set(response.url(), gzipSync(body).length),
      () => undefined,
    )
  })
  await page.goto(stand.origin)
  await expect(page.getByRole('article', { name: 'Small' })).toBeVisible()
  await page.waitForLoadState('networkidle')
  const total = [...scripts.values()].reduce((sum, size) => sum + size, 0)
  expect(scripts.size).toBeGreaterThan(2)
  console.log(`storefront: ${Math.round(total / 1000)} kB of script in ${scripts.size} files`)
  expect(total).toBeLessThanOrEqual(200_000)
})
