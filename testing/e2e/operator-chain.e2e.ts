import { test as base, expect, type Page } from '@playwright/test'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { localRpc } from '@freehold/appliance/dev/local-chain'
import { startStand, type EmbeddedStand } from '../stands/embedded.ts'
import { injectWallet } from '../stands/wallet.ts'
import { connect } from './fixtures.ts'
import { perWorker } from './per-worker.ts'

/** The whole product on the fake hypervisor: what the owner signs here is on a real chain, and the real daemon follows it. */
const test = base.extend<object, { stand: EmbeddedStand; ownerKey: string }>({
  stand: perWorker(() => startStand({ pages: true, hypervisor: 'fake' }), 300_000),
  ownerKey: [
    async ({ stand }, use) => {
      const { owner } = stand.embedded.config.roles
      const found = Array.from({ length: 10 }, (_, i) => devWallet(i)).find(
        (w) => w.address.toLowerCase() === owner.toLowerCase(),
      )
      if (found === undefined) throw new Error('the owner is no development wallet')
      await use(found.privateKey)
    },
    { scope: 'worker' },
  ],
})

async function signIn(page: Page, stand: EmbeddedStand, key: string, path: string): Promise<void> {
  await injectWallet(page, { rpcUrl: stand.rpcUrl, keys: [key] })
  await page.goto(stand.origin + path)
  await connect(page)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

async function enter(page: Page, stand: EmbeddedStand, key: string, path: string): Promise<void> {
  await signIn(page, stand, key, path)
  await expect(page.getByText('These pages are for whoever holds')).toHaveCount(0)
}

test('O2 denies the operator’s pages to a wallet that does not hold pass 0, and says so', async ({ page, stand }) => {
  // who is denied may sign in with another wallet, so the form is there again
  await signIn(page, stand, devWallet(5).privateKey, '/operator')
  await expect(page.getByRole('alert').filter({ hasText: 'not-allowed' })).toBeVisible()
  await expect(page.getByText('Is anything wrong?')).toHaveCount(0)
})

test('O2 X8 the owner changes capacity, price and sale of a plan, and the storefront follows', async ({
  page,
  stand,
  ownerKey,
}) => {
  test.setTimeout(240_000)
  await enter(page, stand, ownerKey, '/operator/plans')
  const plan = page.locator('section').filter({ has: page.getByRole('heading', { name: 'Small', exact: true }) })
  await expect(plan.getByText(/0 of \d+ places taken/)).toBeVisible()
  const set = plan.getByRole('button', { name: 'Set the capacity of Small' })
  await expect(set).toHaveAccessibleDescription('Enter a capacity first.')
  await plan.getByLabel('Capacity').fill('lots')
  await expect(plan.getByText('Enter a whole number of at most six digits.')).toBeVisible()
  await plan.getByLabel('Capacity').fill('3')
  await set.click()
  await expect(plan.getByText('Done. It shows here')).toBeVisible({ timeout: 60_000 })
  await expect(plan.getByText('0 of 3 places taken')).toBeVisible({ timeout: 60_000 })
  await plan.getByLabel('Price per day in ETH').fill('0.0425')
  await plan.getByRole('button', { name: 'Set the price of Small in ETH' }).click()
  await expect(plan.getByText('0.0425 ETH now.')).toBeVisible({ timeout: 60_000 })
  await plan.getByRole('button', { name: 'Close the sale of Small' }).click()
  await expect(plan.getByText('Closed', { exact: true })).toBeVisible({ timeout: 60_000 })
  await plan.getByRole('button', { name: 'Open the sale of Small' }).click()
  await expect(plan.getByText('On sale', { exact: true })).toBeVisible({ timeout: 60_000 })
  await page.goto(stand.origin)
  await expect(page.getByRole('article', { name: 'Small' })).toContainText('0.0425 ETH per day')
})

test('O1 another wallet than the owner’s is told whose signature is needed', async ({ page, stand, ownerKey }) => {
  const wallet = await injectWallet(page, { rpcUrl: stand.rpcUrl, keys: [ownerKey, devWallet(6).privateKey] })
  await page.goto(`${stand.origin}/operator/settings`)
  await connect(page)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await expect(page.getByRole('heading', { name: 'Roles' })).toBeVisible()
  await wallet.choose(1)
  await expect(page.getByRole('button', { name: 'Pause buying' })).toHaveAccessibleDescription(/Only the owner’s wallet 0x/)
})

test('O1 the key of the host is replaced: made here, named by the owner, taken up by the daemon itself', async ({
  page,
  stand,
  ownerKey,
}) => {
  test.setTimeout(300_000)
  await enter(page, stand, ownerKey, '/operator/settings')
  const card = page.locator('section').filter({ has: page.getByRole('heading', { name: 'Replace the key of this host' }) })
  const address = (label: string) =>
    card
      .locator('div')
      .filter({ has: page.getByText(label, { exact: true }) })
      .last()
      .locator('abbr')
      .first()
  const former = await address('Key in use').getAttribute('title')
  await card.getByRole('button', { name: 'Make a new key' }).click()
  const next = await address('New key').getAttribute('title')
  expect(next).toMatch(/^0x[0-9a-f]{40}$/)
  expect(next).not.toBe(former)
  await localRpc(stand.rpcUrl, 'anvil_setBalance', [next, '0xde0b6b3a7640000'])
  await card.getByRole('button', { name: /^Name it on contract/ }).click()
  // the daemon begins anew with it; until then the page says that the host does not answer
  await expect(address('Key in use')).toHaveAttribute('title', next ?? '', { timeout: 120_000 })
  await expect(card.getByRole('button', { name: 'Make a new key' })).toBeVisible()
  const { stdout } = await stand.freehold('status', '--json')
  expect(stdout).toContain('"storefront": "open"')
  await page.goto(`${stand.origin}/operator/audit?target=host`)
  await expect(page.getByText(`the next one is ${next}`)).toBeVisible()
})
