import type { Browser } from '@playwright/test'
import { expect, test } from './fixtures.ts'
import type { PagesStand } from '../stands/pages-api.ts'
import { injectWallet } from '../stands/wallet.ts'

let vmId = ''
test.beforeAll(async ({ stand }) => {
  vmId = await stand.buy(stand.wallet(5))
})

/** The phone: another browser, at another address unless told otherwise, with the wallet that holds the pass. */
async function phone(browser: Browser, stand: PagesStand, address = '198.51.100.9') {
  const context = await browser.newContext({ extraHTTPHeaders: { 'x-forwarded-for': address } })
  const page = await context.newPage()
  const wallet = await injectWallet(page, { rpcUrl: stand.rpcUrl, keys: [stand.wallet(5).privateKey] })
  return {
    async approve(link: string) {
      await page.goto(link)
      await page.getByRole('button', { name: 'Test Wallet' }).click()
      await page.getByRole('button', { name: 'Approve with your wallet' }).click()
    },
    page,
    async close() {
      wallet.close()
      await context.close()
    },
  }
}

test('A4 A8 S14 sign in from a phone: link and QR, and at another address nothing before the reply code', async ({
  page,
  stand,
  browser,
}) => {
  await page.goto(`${stand.origin}/my`)
  await page.getByRole('button', { name: 'Sign on another device' }).click()
  await expect(page.getByRole('img', { name: 'QR code of the sign-in page' })).toBeVisible()
  const link = (await page.getByRole('group', { name: 'Link to the sign-in page' }).textContent()) ?? ''
  const other = await phone(browser, stand)
  await other.approve(link)
  await expect(other.page.getByText('Enter this reply code where you asked')).toBeVisible()
  const code = await other.page
    .getByText(/^[0-9A-Z]{4}-[0-9A-Z]{4}$/)
    .first()
    .textContent()
  const field = page.getByLabel('Reply code')
  await field.fill('AAAA-AAAA')
  await field.press('Enter')
  await expect(page.getByText('That is not the code. 2 tries left.')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Sign out' })).toHaveCount(0)
  await field.fill(`${code?.toLowerCase()}`)
  await page.getByRole('button', { name: 'Send the reply code' }).click()
  await expect(page.getByRole('button', { name: 'Sign out' })).toBeVisible()
  await expect(other.page.getByText(/^Approved$|already used/).first()).toBeVisible()
  await other.close()
})

test('A4 at the same address it goes on by itself', async ({ page, stand, browser }) => {
  await page.goto(`${stand.origin}/vms/${vmId}/console`)
  await page.getByRole('button', { name: 'Sign on another device' }).click()
  const link = (await page.getByRole('group', { name: 'Link to the sign-in page' }).textContent()) ?? ''
  const other = await phone(browser, stand, '127.0.0.1')
  await other.approve(link)
  await expect(page.getByRole('listitem').filter({ hasText: 'Debian GNU/Linux 13' })).toBeVisible()
  await expect(other.page.getByText('Go back to where you asked. It goes on there.')).toBeVisible()
  await other.close()
})

test('A4 three wrong reply codes end it on both sides', async ({ page, stand, browser }) => {
  await page.goto(`${stand.origin}/vms/${vmId}/console`)
  await page.getByRole('button', { name: 'Sign on another device' }).click()
  const link = (await page.getByRole('group', { name: 'Link to the sign-in page' }).textContent()) ?? ''
  const other = await phone(browser, stand)
  await other.approve(link)
  for (const [wrong, left] of [
    ['AAAAAAAA', 2],
    ['BBBBBBBB', 1],
    ['CCCCCCCC', 0],
  ] as const) {
    await page.getByLabel('Reply code').fill(wrong)
    await page.getByLabel('Reply code').press('Enter')
    await expect(page.getByText(/[12] tr(y|ies) left|Three wrong reply codes/)).toBeVisible()
    await expect.poll(() => [...stand.world.requests.values()].at(-1)?.triesLeft).toBe(left)
  }
  await expect(page.getByText('Three wrong reply codes.', { exact: false })).toBeVisible()
  await expect(other.page.getByText('Refused', { exact: true })).toBeVisible()
  expect(stand.world.consoles.size).toBe(0)
  await other.close()
})

test('A3 A7 Not me, pressed after the signature, still ends it before the reply code is used', async ({
  page,
  stand,
  browser,
}) => {
  await page.goto(`${stand.origin}/my`)
  await page.getByRole('button', { name: 'Sign on another device' }).click()
  const link = (await page.getByRole('group', { name: 'Link to the sign-in page' }).textContent()) ?? ''
  const other = await phone(browser, stand)
  await other.approve(link)
  await expect(other.page.getByText('Give it to nobody', { exact: false })).toBeVisible()
  await other.page.getByRole('button', { name: 'Not me, refuse' }).click()
  await expect(other.page.getByText('Refused', { exact: true })).toBeVisible()
  await expect(page.getByText('Refused on the sign-in page.')).toBeVisible()
  await other.close()
})

test('A9 who stops waiting leaves no link behind that still works', async ({ page, stand, browser }) => {
  await page.goto(`${stand.origin}/my`)
  await page.getByRole('button', { name: 'Sign on another device' }).click()
  const link = (await page.getByRole('group', { name: 'Link to the sign-in page' }).textContent()) ?? ''
  await page.getByRole('button', { name: 'Stop waiting' }).click()
  await expect(page.getByRole('button', { name: 'Sign on another device' })).toBeVisible()
  const other = await phone(browser, stand)
  await other.page.goto(link)
  await expect(other.page.getByText('Refused', { exact: true })).toBeVisible()
  await other.close()
})

test('A8 S14 without a wallet: a phone gets links into the browser of a wallet’s app, a desktop the QR code of this very page, once', async ({
  stand,
  playwright,
}) => {
  // a name that a phone could reach: what only this machine can open is offered to none
  const name = 'shop.example'
  const path = '/plans/0?days=30&step=review'
  const { port } = new URL(stand.origin)
  const browser = await playwright.chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: [`--host-resolver-rules=MAP ${name} 127.0.0.1`],
  })
  try {
    const desktop = await browser.newPage()
    await desktop.goto(`http://${name}:${port}${path}`)
    await desktop.getByText('Open this page on the phone that has the wallet').click()
    await expect(desktop.getByRole('img', { name: 'QR code of this page' })).toBeVisible()
    await expect(desktop.getByRole('link', { name: 'MetaMask' })).toHaveCount(0)
    await desktop.goto(stand.origin + path)
    await expect(desktop.getByText('No wallet in this browser')).toBeVisible()
    await expect(desktop.getByText('Open this page on the phone that has the wallet')).toHaveCount(0)

    // the page that is to be signed has a place for a wallet and one for a signature: the QR code stands in one of them
    const code = await stand.askShell(vmId)
    const asked = stand.world.requests.get(code.replace('-', ''))
    const codes = async (origin: string) => {
      if (asked !== undefined) asked.origin = origin
      await desktop.goto(`${origin}/s/${code}`)
      await expect(desktop.getByText('No wallet here?')).toBeVisible()
      await expect(desktop.getByText(/^No wallet in this browser$|^Test Wallet$/).first()).toBeVisible()
      for (const more of await desktop.locator('summary').all()) await more.click()
      await expect(desktop.getByLabel('Signature', { exact: true })).toBeVisible()
      return desktop.getByRole('img', { name: 'QR code of this page' })
    }
    await expect(await codes(`http://${name}:${port}`)).toHaveCount(1)
    await expect(await codes(stand.origin)).toHaveCount(1)
    const wallet = await injectWallet(desktop, { rpcUrl: stand.rpcUrl, keys: [stand.wallet(6).privateKey] })
    await expect(await codes(`http://${name}:${port}`)).toHaveCount(1)
    wallet.close()

    const touch = await browser.newContext({ hasTouch: true, isMobile: true, viewport: { width: 360, height: 740 } })
    const phone = await touch.newPage()
    await phone.goto(`http://${name}:${port}${path}`)
    const link = (wallet: string) => phone.getByRole('link', { name: wallet, exact: true })
    await expect(link('MetaMask')).toHaveAttribute('href', `https://link.metamask.io/dapp/${name}:${port}${path}`)
    for (const wallet of ['Coinbase Wallet', 'Trust Wallet'])
      await expect(link(wallet)).toHaveAttribute('href', new RegExp(encodeURIComponent(`http://${name}:${port}${path}`)))
    expect((await link('MetaMask').boundingBox())?.height).toBeGreaterThanOrEqual(24)
    await expect(phone.getByText('Open this page on the phone that has the wallet')).toBeHidden()
  } finally {
    await browser.close()
  }
})
