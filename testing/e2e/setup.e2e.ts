import { readFile } from 'node:fs/promises'
import type { sectionNames } from '@freehold/appliance/api/schemas/setup-wizard'
import { sectionsAsked } from '@freehold/appliance/setup/wizard/sections'
import { test as base, expect, type Page } from '@playwright/test'
import { Wallet } from 'ethers'
import { setupEn } from '../../wizard/src/messages/setup-en.ts'
import { injectWallet } from '../stands/wallet.ts'
import { startWizardStand, type WizardStand } from '../stands/wizard-stand.ts'
import { axeFinds } from './axe.ts'
import { keysOf } from './by-keys.ts'
import { sidewaysScroll } from './fixtures.ts'
import { perWorker } from './per-worker.ts'

// the first development key of the local chain: worth nothing anywhere else
const key = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const treasury = '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC'

type SectionName = (typeof sectionNames)[number]

const test = base.extend<object, { host: WizardStand }>({
  host: perWorker(startWizardStand, 180_000),
})

async function enter(page: Page, host: WizardStand): Promise<void> {
  await page.goto(`${host.origin}/setup`)
  await page.getByLabel('Code', { exact: true }).fill(await host.code())
  await page.getByRole('button', { name: 'Go on', exact: true }).click()
  await expect(page.getByRole('navigation', { name: 'Pages of the setup' })).toBeVisible()
}

const section = (page: Page, name: string) => page.getByRole('heading', { level: 2, name, exact: true })

async function whole(page: Page, name: string): Promise<void> {
  expect((await axeFinds(page, 'whole')).map((found) => `${name}: ${found}`)).toEqual([])
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

test('W2 W4 wrong codes are counted down and void the code; the new one of the screen opens, and as that of the QR leaves the address at once', async ({
  page,
  host,
}) => {
  await page.goto(`${host.origin}/setup`)
  await expect(page.getByText('Compare the SHA-256 fingerprint')).toBeVisible()
  await whole(page, 'code')
  const right = await host.code()
  const addresses: string[] = []
  page.on('request', (request) => addresses.push(request.url()))
  await page.getByLabel('Code', { exact: true }).fill(right === '000000' ? '111111' : '000000')
  await page.getByRole('button', { name: 'Go on', exact: true }).click()
  await expect(page.getByText('That is not the code. 4 tries are left.')).toBeVisible()
  for (const left of ['3 tries are', '2 tries are', '1 try is']) {
    await page.getByRole('button', { name: 'Go on', exact: true }).click()
    await expect(page.getByText(`That is not the code. ${left} left.`)).toBeVisible()
  }
  await page.getByRole('button', { name: 'Go on', exact: true }).click()
  await expect(page.getByText('the code is void now. The screen of the machine shows another one.')).toBeVisible()
  const renewed = await host.code()
  expect(renewed).not.toBe(right)
  await page.getByLabel('Code', { exact: true }).fill(right)
  await page.getByRole('button', { name: 'Go on', exact: true }).click()
  await expect(page.getByText('That is not the code. 4 tries are left.')).toBeVisible()
  // another fragment alone is no new page
  await page.goto('about:blank')
  await page.goto(`${host.origin}/setup#${renewed}`)
  await expect(page.getByLabel('Code', { exact: true })).toHaveValue(renewed)
  expect(page.url()).not.toContain(renewed)
  await page.getByRole('button', { name: 'Go on', exact: true }).click()
  await expect(page.getByRole('navigation', { name: 'Pages of the setup' })).toBeVisible()
  // a fragment is sent to nobody, and the code is in no address that was
  expect(addresses.filter((one) => one.split('#')[0]?.includes(renewed))).toEqual([])
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

/** Pages as the list of steps names them, without their states. */
async function listed(page: Page): Promise<string[]> {
  const rows = await page.getByRole('navigation', { name: 'Pages of the setup' }).getByRole('listitem').allTextContents()
  return rows.map((row) => row.replace(/^[✓!·]/, '').replace(/, (answered|to be looked at again)$/, ''))
}

test('W4 W6 W7 W8 W9 W10 W11 X12 the whole setup by keyboard alone, every page of the list of steps: answers, a daemon killed in the middle, an earlier answer changed, review, wallet, open storefront', async ({
  page,
  host,
  browser,
}) => {
  test.setTimeout(300_000)
  page.setDefaultTimeout(60_000)
  const keys = await keysOf(page)
  const wallet = await injectWallet(page, { rpcUrl: host.rpcUrl, keys: [new Wallet(key).privateKey] })
  const sent: string[] = []
  page.on('request', (request) => sent.push(`${request.url()} ${request.postData() ?? ''}`))
  const save = () => keys.press('Save and go on')
  /** Pages that were met so far, in order. */
  const met = new Set<string>()
  const at = async (name: SectionName | 'review' | 'run', heading: string = setupEn[`setup.section.${name}`]) => {
    await expect(section(page, heading)).toBeVisible()
    met.add(setupEn[`setup.section.${name}`])
  }
  const nav = page.getByRole('navigation', { name: 'Pages of the setup' })
  try {
    await page.goto(`${host.origin}/setup`)
    await keys.pick(/Restore from a backup/)
    await keys.pick(/Set up a new host/)
    await keys.type('Code', await host.code())
    await keys.press('Go on')

    await at('address')
    await expect(page.getByLabel('Address', { exact: true })).toHaveValue(host.origin)
    await expect(page.getByText('The address can be signed for')).toBeVisible()
    await save()

    await at('chain')
    await keys.type('Chain id', '1')
    await keys.type('Name of the network', 'Local network')
    await keys.type('Address of a node (RPC)', host.rpcUrl)
    await keys.type('Confirmations', '1')
    await expect(page.getByText('serves network 31337, the answers say 1', { exact: false })).toBeVisible()
    await keys.type('Chain id', '31337')
    await expect(page.getByText('Something does not work yet')).toHaveCount(0)
    await expect(page.getByText('The node answers and is on this network')).toBeVisible()
    await whole(page, 'chain')
    await save()

    // a new host need not open it; who comes back does
    await section(page, 'Wallets').waitFor()
    await keys.press(/^New or back again/)
    await at('existing')
    await keys.pick(/It comes back/)
    await expect(page.getByLabel('Address of its contract')).toBeVisible()
    await keys.pick(/A new host/)
    await save()

    await at('people')
    await keys.type('Treasury: is paid', '0x12')
    await save()
    await expect(page.getByText('an address is 0x and 40 hex digits').first()).toBeVisible()
    await keys.press('Test Wallet')
    await keys.press(/^Take the address of/)
    await keys.type('Treasury: is paid', treasury)

    // a crash loses nothing that is typed, and nothing that was answered
    host.killDaemon()
    await expect(page.getByLabel('Treasury: is paid')).toHaveValue(treasury)
    await expect(async () => {
      await save()
      await expect(section(page, 'Hypervisor')).toBeVisible({ timeout: 1000 })
    }).toPass({ timeout: 30_000 })

    // a second browser stands where the first does
    const other = await browser.newContext()
    const second = await other.newPage()
    await enter(second, host)
    await expect(section(second, 'Hypervisor')).toBeVisible()

    await at('hypervisor')
    await keys.pick(/Proxmox VE/)
    await expect(page.getByLabel('Address of a node')).toBeVisible()
    await keys.pick(/This machine/)
    // the fake one is offered to nobody: it comes by an answer of the other browser
    await second.evaluate(async () => {
      await fetch('/v1/setup/answers/hypervisor', {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ revision: 0, value: { hypervisor: { kind: 'fake', createSeconds: 0 } } }),
      })
    })
    await other.close()
    await keys.press('Take the other answer')
    await expect(page.getByRole('radio', { name: /Invented VMs/ })).toBeChecked()
    await save()

    await at('network')
    await save()
    await at('template')
    await keys.pick(/A file on this host/)
    await keys.pick(/Build it here/)
    await save()
    await at('plans')
    await keys.type('Disk, GiB', '4000000')
    await expect(page.getByText('Make the plan smaller.')).toBeVisible()
    await keys.type('Disk, GiB', '4')
    await keys.type('Price of a day, in the network’s coin', '0.002')
    await expect(page.getByText('The plans fit the host')).toBeVisible()
    await whole(page, 'plans')
    await save()
    await section(page, 'Backup').waitFor()

    // an earlier answer: what leans on it is to be looked at again, and is still there
    await keys.press(/^Network/)
    await section(page, 'Network').waitFor()
    await keys.type('Name of the network', 'Our network')
    await save()
    await expect(section(page, 'Network')).toHaveCount(0)
    for (const name of ['New or back again', 'Wallets', 'Plans and prices']) {
      await keys.press(new RegExp(`^${name}`))
      await section(page, name).waitFor()
      await expect(nav.getByRole('button', { name: new RegExp(`^${name} ?, to be looked at again`) })).toBeVisible()
      await expect(page.getByText('An earlier answer has changed.', { exact: false })).toBeVisible()
      if (name === 'Wallets') await expect(page.getByLabel('Treasury: is paid')).toHaveValue(treasury)
      if (name === 'Plans and prices') await expect(page.getByLabel('Disk, GiB')).toHaveValue('4')
      await save()
      await expect(section(page, name)).toHaveCount(0)
    }
    await expect(nav.getByRole('button', { name: /to be looked at again/ })).toHaveCount(0)

    await at('backup')
    await keys.press('Make a recovery key')
    const made = await page.getByRole('group', { name: 'Recovery key' }).textContent()
    expect(made).toMatch(/^AGE-SECRET-KEY-1/)
    await save()
    // a key that nobody says to have is no answer
    await expect(page.getByText('a recipient begins with age1', { exact: false }).first()).toBeVisible()
    await keys.tick('I keep the recovery key in another place than this machine.')
    const recipient = await page.getByLabel('Recipient: its public half').inputValue()
    expect(recipient).toMatch(/^age1/)
    await expect(page.getByText('is on this machine’s own disk', { exact: false })).toBeVisible()
    await whole(page, 'backup')
    await save()

    await at('review', 'What will be changed')
    await expect(page.getByText('The plan Small is sold, at most 4 at once')).toBeVisible()
    await expect(page.getByText(`it opens with the key of ${recipient}`)).toBeVisible()
    await whole(page, 'review')
    const download = page.waitForEvent('download')
    await keys.press('Download the answer file')
    expect((await download).suggestedFilename()).toBe('answers.yaml')
    const reviewed = page.waitForEvent('download')
    await keys.press('Download this review')
    const text = await readFile(await (await reviewed).path(), 'utf8')
    expect(text).toMatch(/\d+\. The plan Small is sold, at most 4 at once \(can be ended, not unmade\)/)
    await keys.press('Confirm and set up')

    await at('run', 'Setting up')
    // what an installed host has besides is met by keys in setup-installed.e2e.ts
    const asked = sectionsAsked({ mode: 'embedded' }).map(({ name }) => setupEn[`setup.section.${name}`])
    expect(await listed(page)).toEqual([...asked, 'Review', 'Set up'])
    expect([...met], 'pages of the list that were met by keys').toEqual(await listed(page))
    await expect(page.getByText('Sign the deployment with your wallet')).toBeVisible()
    const logged = page.waitForEvent('download')
    await keys.press('Download the log')
    expect(await readFile(await (await logged).path(), 'utf8')).toContain('programs, room and ports are there')
    await whole(page, 'run')
    wallet.mood = 'decline'
    await keys.press('Sign the deployment')
    await expect(page.getByRole('alert').filter({ hasText: 'wallet-refused' })).toBeVisible()
    wallet.mood = 'confirm'
    await keys.press('Sign the deployment')
    await expect(page.getByRole('heading', { name: 'The host is set up' })).toBeVisible({ timeout: 60_000 })
    await expect(page.getByRole('main').getByText(recipient, { exact: true })).toBeVisible()
    await whole(page, 'done')
    expect(sent.filter((one) => one.includes('AGE-SECRET-KEY'))).toEqual([])
    expect(sent.some((one) => one.includes(recipient))).toBe(true)
    await keys.follow('Open the storefront')
    await expect(page.getByRole('heading', { name: 'Small' })).toBeVisible()
    keys.alone()
  } finally {
    wallet.close()
  }
})
