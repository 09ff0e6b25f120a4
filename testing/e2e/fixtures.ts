import { randomBytes } from 'node:crypto'
import { test as base, expect, type Page } from '@playwright/test'
import { startPagesStand, type PagesStand } from '../stands/pages-api.ts'
import { injectWallet, type TestWallet } from '../stands/wallet.ts'
import { perWorker } from './per-worker.ts'

interface WorkerFixtures {
  /** One stand for all tests of a worker; each test leaves it as it found it. */
  stand: PagesStand
}

interface TestFixtures {
  /** Puts a wallet with the development keys of these numbers into the page. */
  useWallet(indexes: readonly number[], options?: { startOn?: number; knowsNetwork?: boolean }): Promise<TestWallet>
  /** What the browser wrote to its console as errors; a test fails if there is any that it did not take out. */
  consoleErrors: string[]
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  stand: perWorker(startPagesStand, 180_000),
  useWallet: async ({ page, stand }, use) => {
    const open: TestWallet[] = []
    await use(async (indexes, options = {}) => {
      const wallet = await injectWallet(page, {
        rpcUrl: stand.rpcUrl,
        keys: indexes.map((i) => stand.wallet(i).privateKey),
        ...options,
      })
      open.push(wallet)
      return wallet
    })
    for (const wallet of open) wallet.close()
  },
  consoleErrors: [
    async ({ page }, use) => {
      const errors: string[] = []
      page.on('pageerror', (error) => errors.push(error.message))
      page.on('console', (message) => {
        // answers that a test provokes are told by the network panel as errors too
        if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) errors.push(message.text())
      })
      await use(errors)
      expect(errors).toEqual([])
    },
    { auto: true },
  ],
})

export { expect }

/** Chooses the one wallet of this browser, unless the page has taken it up again by itself. */
export async function connect(page: Page): Promise<void> {
  const choose = page.getByRole('button', { name: 'Test Wallet' })
  const connected = page.getByRole('button', { name: 'Use another wallet' })
  await expect(choose.or(connected).first()).toBeVisible()
  if (await choose.isVisible()) await choose.click()
  await expect(connected).toBeVisible()
}

/**
 * Gives this browser a session of the wallet in the page, as if it had signed in before: for tests of what comes after. Opens no
 * page; the next one finds wallet and session. The cookie wants a secure origin: localhost is one, whatever its scheme says.
 */
export async function signedIn(page: Page, stand: PagesStand): Promise<void> {
  const [address] = (await page.evaluate(`testWalletAnswer('eth_accounts', [])`)) as string[]
  const { now } = (await (await fetch(`${stand.origin}/v1/status`)).json()) as { now: number }
  const secret = randomBytes(32).toString('hex')
  const sessionId = randomBytes(8).toString('hex')
  stand.world.sessions.set(secret, { sessionId, address: String(address).toLowerCase(), createdAt: now })
  await page.context().addCookies([
    {
      name: '__Host-freehold',
      value: secret,
      url: stand.origin.replace('http:', 'https:'),
      secure: true,
      httpOnly: true,
      sameSite: 'Strict',
    },
  ])
  await page.addInitScript((id) => {
    const { localStorage } = globalThis as unknown as { localStorage: { setItem(key: string, value: string): void } }
    localStorage.setItem('freehold-wallet', 'org.example.test')
    localStorage.setItem('freehold-signed-in', id)
  }, sessionId)
}

/** Signs in on `/my` with the wallet in the page. */
export async function signIn(page: Page, stand: PagesStand): Promise<void> {
  await page.goto(`${stand.origin}/my`)
  await connect(page)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await expect(page.getByRole('button', { name: 'Sign out' })).toBeVisible()
}

/** Presses Tab until the focus is on what has this role and name; fails after one round. Shift+Tab is never needed. */
export async function tabTo(page: Page, role: Parameters<Page['getByRole']>[0], name: string | RegExp): Promise<void> {
  const target = page.getByRole(role, { name }).first()
  await expect(target).toBeVisible()
  for (let presses = 0; presses < 60; presses++) {
    if (await target.evaluate((e) => e === e.ownerDocument.activeElement)) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`no Tab reaches ${role} ${String(name)}`)
}

/** How far the page is wider than its window, in pixels. */
export async function sidewaysScroll(page: Page): Promise<number> {
  return Number(await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'))
}

/** What is written and cannot be read whole: text wider than the box that hides the rest, or that runs out of its button or row. */
export async function clippedText(page: Page): Promise<string[]> {
  return (await page.evaluate(`(() => {
    const cut = []
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const e = node.parentElement
      if (node.data.trim() === '' || e === null || e.closest('.sr-only, script, style, option, pre') || e.clientWidth + e.offsetWidth === 0) continue
      const style = getComputedStyle(e)
      if (style.visibility === 'hidden') continue
      const text = node.data.trim().slice(0, 60)
      const hides = ['hidden', 'clip'].includes(style.overflowX) || style.textOverflow === 'ellipsis'
      if (hides && e.scrollWidth > e.clientWidth + 1) cut.push(e.tagName + ': ' + text)
      const around = e.closest('button, a, label, li, dd, fieldset')?.getBoundingClientRect()
      if (around === undefined || around.width < 2) continue
      const range = document.createRange()
      range.selectNodeContents(node)
      if (range.getBoundingClientRect().right > around.right + 2) cut.push('runs out of its box: ' + text)
    }
    return cut
  })()`)) as string[]
}
