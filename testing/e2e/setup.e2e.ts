import { readFile } from 'node:fs/promises'
import { AxeBuilder } from '@axe-core/playwright'
import { test as base, expect, type Page } from '@playwright/test'
import { Wallet } from 'ethers'
import { injectWallet } from '../stands/wallet.ts'
import { startWizardStand, type WizardStand } from '../stands/wizard-stand.ts'
import { sidewaysScroll, tabTo } from './fixtures.ts'
import { perWorker } from './per-worker.ts'

// the first development key of the local chain: worth nothing anywhere else
const key = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const treasury = '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC'

const test = base.extend<object, { host: WizardStand }>({
  host: perWorker(startWizardStand, 180_000),
})

async function enter(page: Page, host: WizardStand): Promise<void> {
  await page.goto(`${host.origin}/setup`)
  await page.getByLabel('Code', { exact: true }).fill(await host.code())
  await page.getByRole('button', { name: 'Go on', exact: true }).click()
  await expect(page.getByRole('navigation', { name: 'Pages of the setup' })).toBeVisible()
}

/** By keyboard alone: Tab to it, Enter. */
async function press(page: Page, name: string | RegExp): Promise<void> {
  await tabTo(page, 'button', name)
  await page.keyboard.press('Enter')
}

/** By keyboard alone: Tab to the field, which takes its text as selected, and type over it. */
async function type(page: Page, label: string, text: string): Promise<void> {
  await tabTo(page, 'textbox', label)
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.insertText(text)
}

const save = (page: Page) => press(page, 'Save and go on')
const section = (page: Page, name: string) => page.getByRole('heading', { level: 2, name, exact: true })

async function whole(page: Page, name: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze()
  expect(violations.map((v) => `${name}: ${v.id} ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`)).toEqual([])
  expect(await sidewaysScroll(page), name).toBeLessThanOrEqual(0)
}

test('W5 page one: set up new beside restore from a backup, help, language and theme', async ({ page, host }) => {
  await page.goto(`${host.origin}/setup`)
  await expect(page.getByRole('radio', { name: /Set up a new host/ })).toBeChecked()
  await page.getByText('Help: where is the code?').click()
  await expect(page.getByText('Press R at that screen')).toBeVisible()
  await expect(page.getByLabel('Language')).toBeVisible()
  await expect(page.getByLabel('Theme')).toBeVisible()
  await page.getByRole('radio', { name: /Restore from a backup/ }).check()
  await page.getByLabel('Code', { exact: true }).fill(await host.code())
  await page.getByRole('button', { name: 'Go on', exact: true }).click()
  await expect(section(page, 'New or back again')).toBeVisible()
})

test('W2 W4 a wrong code is counted down; the code of the QR leaves the address at once', async ({ page, host }) => {
  await page.goto(`${host.origin}/setup`)
  await expect(page.getByText('Compare the SHA-256 fingerprint')).toBeVisible()
  await whole(page, 'code')
  const right = await host.code()
  const addresses: string[] = []
  page.on('request', (request) => addresses.push(request.url()))
  await page.getByLabel('Code', { exact: true }).fill(right === '000000' ? '111111' : '000000')
  await page.getByRole('button', { name: 'Go on', exact: true }).click()
  await expect(page.getByText('That is not the code. 4 tries are left.')).toBeVisible()
  // another fragment alone is no new page
  await page.goto('about:blank')
  await page.goto(`${host.origin}/setup#${right}`)
  await expect(page.getByLabel('Code', { exact: true })).toHaveValue(right)
  expect(page.url()).not.toContain(right)
  // a fragment is sent to nobody, and the code is in no address that was
  expect(addresses.filter((one) => one.split('#')[0]?.includes(right))).toEqual([])
})

test('X3 X14 W6 a session that ends in the middle of a form: the code is asked again and nothing typed is lost', async ({
  page,
  host,
}) => {
  await enter(page, host)
  await expect(section(page, 'Address')).toBeVisible()
  await page.getByLabel('Address', { exact: true }).fill('https://half-typed.example')
  await page.context().clearCookies()
  await expect(page.getByText('Your time in the wizard is over')).toBeVisible()
  await expect(page.getByLabel('Address', { exact: true })).toHaveValue('https://half-typed.example')
  await whole(page, 'session over')
  await page.getByLabel('Code', { exact: true }).fill(await host.code())
  await page.getByRole('button', { name: 'Go on', exact: true }).click()
  await expect(page.getByText('Your time in the wizard is over')).toHaveCount(0)
  await expect(page.getByLabel('Address', { exact: true })).toHaveValue('https://half-typed.example')
  await expect(page.getByRole('button', { name: 'Save and go on' })).toBeEnabled()
})

test('W4 W6 W8 W9 W10 W11 X12 the whole setup by keyboard alone: answers, a daemon killed in the middle, review, wallet, open storefront', async ({
  page,
  host,
  browser,
}) => {
  test.setTimeout(300_000)
  page.setDefaultTimeout(60_000)
  const wallet = await injectWallet(page, { rpcUrl: host.rpcUrl, keys: [new Wallet(key).privateKey] })
  const sent: string[] = []
  page.on('request', (request) => sent.push(`${request.url()} ${request.postData() ?? ''}`))
  try {
    await enter(page, host)
    await expect(section(page, 'Address')).toBeVisible()
    await expect(page.getByLabel('Address', { exact: true })).toHaveValue(host.origin)
    await expect(page.getByText('The address can be signed for')).toBeVisible()
    await save(page)

    await expect(section(page, 'Network')).toBeVisible()
    await type(page, 'Chain id', '1')
    await type(page, 'Name of the network', 'Local network')
    await type(page, 'Address of a node (RPC)', host.rpcUrl)
    await type(page, 'Confirmations', '1')
    await expect(page.getByText('serves network 31337, the answers say 1', { exact: false })).toBeVisible()
    await type(page, 'Chain id', '31337')
    await expect(page.getByText('Something does not work yet')).toHaveCount(0)
    await expect(page.getByText('The node answers and is on this network')).toBeVisible()
    await whole(page, 'chain')
    await save(page)

    await expect(section(page, 'Wallets')).toBeVisible()
    await type(page, 'Treasury: is paid', '0x12')
    await save(page)
    await expect(page.getByText('an address is 0x and 40 hex digits').first()).toBeVisible()
    await press(page, 'Test Wallet')
    await press(page, /^Take the address of/)
    await type(page, 'Treasury: is paid', treasury)

    // a crash loses nothing that is typed, and nothing that was answered
    host.killDaemon()
    await expect(page.getByLabel('Treasury: is paid')).toHaveValue(treasury)
    await expect(async () => {
      await save(page)
      await expect(section(page, 'Hypervisor')).toBeVisible({ timeout: 1000 })
    }).toPass({ timeout: 30_000 })

    // a second browser stands where the first does
    const other = await browser.newContext()
    const second = await other.newPage()
    await enter(second, host)
    await expect(section(second, 'Hypervisor')).toBeVisible()
    await other.close()

    // the fake one is offered to nobody: it comes by an answer
    await page.evaluate(async () => {
      await fetch('/v1/setup/answers/hypervisor', {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ revision: 0, value: { hypervisor: { kind: 'fake', createSeconds: 0 } } }),
      })
    })
    await page.goto(`${host.origin}/setup`)
    await expect(section(page, 'Guest network')).toBeVisible()
    await save(page)
    await expect(section(page, 'Guest image')).toBeVisible()
    await save(page)
    await expect(section(page, 'Plans and prices')).toBeVisible()
    await type(page, 'Disk, GiB', '4000000')
    await expect(page.getByText('Make the plan smaller.')).toBeVisible()
    await type(page, 'Disk, GiB', '4')
    await type(page, 'Price of a day, in the network’s coin', '0.002')
    await expect(page.getByText('The plans fit the host')).toBeVisible()
    await whole(page, 'plans')
    await save(page)

    await expect(section(page, 'Backup')).toBeVisible()
    await press(page, 'Make a recovery key')
    const made = await page.getByRole('group', { name: 'Recovery key' }).textContent()
    expect(made).toMatch(/^AGE-SECRET-KEY-1/)
    await save(page)
    // a key that nobody says to have is no answer
    await expect(page.getByText('a recipient begins with age1', { exact: false }).first()).toBeVisible()
    await tabTo(page, 'checkbox', 'I keep the recovery key in another place than this machine.')
    await page.keyboard.press('Space')
    const recipient = await page.getByLabel('Recipient: its public half').inputValue()
    expect(recipient).toMatch(/^age1/)
    await expect(page.getByText('is on this machine’s own disk', { exact: false })).toBeVisible()
    await whole(page, 'backup')
    await save(page)

    await expect(section(page, 'What will be changed')).toBeVisible()
    await expect(page.getByText('The plan Small is sold, at most 4 at once')).toBeVisible()
    await expect(page.getByText(`it opens with the key of ${recipient}`)).toBeVisible()
    await whole(page, 'review')
    const download = page.waitForEvent('download')
    await press(page, 'Download the answer file')
    expect((await download).suggestedFilename()).toBe('answers.yaml')
    const reviewed = page.waitForEvent('download')
    await press(page, 'Download this review')
    const text = await readFile(await (await reviewed).path(), 'utf8')
    expect(text).toMatch(/\d+\. The plan Small is sold, at most 4 at once \(can be ended, not unmade\)/)
    await press(page, 'Confirm and set up')

    await expect(section(page, 'Setting up')).toBeVisible()
    await expect(page.getByText('Sign the deployment with your wallet')).toBeVisible()
    const logged = page.waitForEvent('download')
    await press(page, 'Download the log')
    expect(await readFile(await (await logged).path(), 'utf8')).toContain('programs, room and ports are there')
    await whole(page, 'run')
    wallet.mood = 'decline'
    await press(page, 'Sign the deployment')
    await expect(page.getByRole('alert').filter({ hasText: 'wallet-refused' })).toBeVisible()
    wallet.mood = 'confirm'
    await press(page, 'Sign the deployment')
    await expect(page.getByRole('heading', { name: 'The host is set up' })).toBeVisible({ timeout: 60_000 })
    await expect(page.getByRole('main').getByText(recipient, { exact: true })).toBeVisible()
    await whole(page, 'done')
    expect(sent.filter((one) => one.includes('AGE-SECRET-KEY'))).toEqual([])
    expect(sent.some((one) => one.includes(recipient))).toBe(true)
    await page.goto(host.origin)
    await expect(page.getByRole('heading', { name: 'Small' })).toBeVisible()
  } finally {
    wallet.close()
  }
})
