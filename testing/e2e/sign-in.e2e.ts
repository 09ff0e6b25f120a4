import { connect, expect, tabTo, test } from './fixtures.ts'
import type { PagesStand } from '../stands/pages-api.ts'

let vmId = ''
test.beforeAll(async ({ stand }) => {
  vmId = await stand.buy(stand.wallet(5))
})

const stateOf = (stand: PagesStand, code: string) => stand.world.requests.get(code.replace('-', ''))?.state
const open = async (stand: PagesStand, source?: string) => {
  const code = await stand.askShell(vmId, source)
  return { code, url: `${stand.origin}/s/${code.replace('-', '')}` }
}

test('A9 opening a link changes nothing; an unknown code says how to begin again', async ({ page, stand }) => {
  const { code, url } = await open(stand)
  await page.goto(url)
  await expect(page.getByText(/Expires in \d:\d\d/)).toBeVisible()
  await page.reload()
  expect(stateOf(stand, code)).toBe('waiting')
  await page.goto(`${stand.origin}/s/00000000`)
  await expect(page.getByText('run ssh again', { exact: false })).toBeVisible()
})

test('A1 A2 A3 A7 X12 by keyboard: the facts of the terminal, the text of the wallet, and Enter in the terminal', async ({
  page,
  stand,
  useWallet,
}) => {
  const wallet = await useWallet([5])
  const { code, url } = await open(stand)
  await page.goto(url)
  await tabTo(page, 'button', 'Test Wallet')
  await page.keyboard.press('Enter')
  for (const fact of [vmId, 'owner', '127.0.0.1', code])
    await expect(page.getByRole('definition').filter({ hasText: fact }).first()).toBeVisible()
  await expect(page.getByText('This signs you in. It moves no money. Approve only if you started it.')).toBeVisible()
  const shown = await page.getByRole('group', { name: 'The text your wallet will show' }).textContent()
  expect(shown?.split('\n')[0]).toBe(`${new URL(stand.origin).host} wants you to sign in with your Ethereum account:`)
  await tabTo(page, 'button', 'Approve with your wallet')
  await page.keyboard.press('Enter')
  await expect(page.getByText('Go back to the terminal and press Enter.', { exact: false })).toBeVisible()
  const signed = wallet.calls.find((c) => c.method === 'personal_sign')?.params[0]
  expect(Buffer.from(String(signed).slice(2), 'hex').toString()).toBe(shown)
  expect(stateOf(stand, code)).toBe('approved')
  stand.terminalGoesOn(code)
  await expect(page.getByText('The terminal has taken it up.')).toBeVisible()
})

test('A3 Not me refuses and ends the waiting login', async ({ page, stand }) => {
  const { code, url } = await open(stand)
  await page.goto(url)
  await page.getByRole('button', { name: 'Not me, refuse' }).click()
  await expect(page.getByText('Refused', { exact: true })).toBeVisible()
  expect(stateOf(stand, code)).toBe('denied')
  expect(() => stand.terminalGoesOn(code)).toThrow('denied')
})

test('A4 A7 from another address the page warns, and nothing is released before the terminal sends the reply code', async ({
  page,
  stand,
  useWallet,
  context,
}) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await useWallet([5])
  const { code, url } = await open(stand, '203.0.113.7')
  await page.goto(url)
  await expect(page.getByText('The terminal is at 203.0.113.7, you are at 127.0.0.1.', { exact: false })).toBeVisible()
  await connect(page)
  await page.getByRole('button', { name: 'Approve with your wallet' }).click()
  await expect(page.getByText('Type this reply code into your terminal')).toBeVisible()
  const reply = await page
    .getByText(/^[0-9A-Z]{4}-[0-9A-Z]{4}$/)
    .first()
    .textContent()
  await page.getByRole('button', { name: 'Copy Reply code' }).click()
  expect(await page.evaluate('navigator.clipboard.readText()')).toBe(reply)
  expect(() => stand.terminalGoesOn(code, 'AAAA-AAAA')).toThrow('needs-reply')
  stand.terminalGoesOn(code, reply ?? '')
  await expect(page.getByText('Approved', { exact: true })).toBeVisible()
})

test('A5 another wallet is told who holds the pass, cannot approve, and can change the account', async ({
  page,
  stand,
  useWallet,
}) => {
  const wallet = await useWallet([6, 5])
  const { code, url } = await open(stand)
  await page.goto(url)
  await connect(page)
  await expect(page.getByText(/0x9965…A4dc holds the pass of this VM/)).toBeVisible()
  const approve = page.getByRole('button', { name: 'Approve with your wallet' })
  await expect(approve).toHaveAttribute('aria-disabled', 'true')
  await approve.click({ force: true })
  expect(stateOf(stand, code)).toBe('waiting')
  await wallet.choose(1)
  await approve.click()
  await expect(page.getByText('Approved', { exact: true })).toBeVisible()
})

test('A8 A10 without a wallet: QR of the page, the text for the entered address, a signature made elsewhere; a key is refused', async ({
  page,
  stand,
}) => {
  const { code, url } = await open(stand)
  await page.goto(url)
  await page.locator('summary').click()
  await expect(page.getByRole('img', { name: 'QR code of this page' }).first()).toBeVisible()
  const signer = stand.wallet(5)
  await page.getByLabel('Address that signs').fill(signer.address)
  const text = await page.getByRole('group', { name: 'Sign exactly this text with personal_sign' }).textContent()
  const signature = page.getByLabel('Signature', { exact: true })
  await signature.fill(signer.privateKey)
  await expect(page.getByText('This has the length of a private key.', { exact: false })).toBeVisible()
  await page.getByRole('button', { name: 'Send the signature' }).click()
  expect(stateOf(stand, code)).toBe('waiting')
  await signature.fill(await stand.wallet(6).signMessage(text ?? ''))
  await page.getByRole('button', { name: 'Send the signature' }).click()
  await expect(page.getByRole('alert').filter({ hasText: 'signature-invalid' })).toBeFocused()
  await signature.fill(await signer.signMessage(text ?? ''))
  await page.getByRole('button', { name: 'Send the signature' }).click()
  await expect(page.getByText('Approved', { exact: true })).toBeVisible()
})

test('A9 a used link and an expired link say which, and cannot be approved', async ({ page, stand, useWallet }) => {
  await useWallet([5])
  const used = await open(stand)
  await page.goto(used.url)
  await connect(page)
  await page.getByRole('button', { name: 'Approve with your wallet' }).click()
  await expect(page.getByText('Approved', { exact: true })).toBeVisible()
  stand.terminalGoesOn(used.code)
  await page.reload()
  await expect(page.getByText('This sign-in was already used')).toBeVisible()
  const late = await open(stand)
  await page.goto(late.url)
  await expect(page.getByText(/Expires in [45]:\d\d/)).toBeVisible()
  await stand.advance(301)
  await expect(page.getByText('This sign-in has expired')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Approve with your wallet' })).toHaveCount(0)
})

test('A10 no page has a field for a phrase or key, and the footer of every page says so', async ({ page, stand }) => {
  const { url } = await open(stand)
  for (const path of [stand.origin, `${stand.origin}/my`, url]) {
    await page.goto(path)
    await expect(page.getByText('Nobody here ever asks for your recovery phrase or private key', { exact: false })).toBeVisible()
    await expect(page.getByLabel(/phrase|private key/i)).toHaveCount(0)
  }
})

const key = `SHA256:${'k'.repeat(43)}` as const
for (const [act, heading, promise] of [
  ['session', 'Someone wants to sign in to this host', 'This signs you in. It moves no money.'],
  ['console', 'Someone wants to open the serial console of your VM', 'This opens the serial console of the VM to whoever asked.'],
  ['reinstall', 'Someone wants to reinstall your VM', 'This erases the disk of the VM.'],
  ['rollback', 'Someone wants to roll your VM back to its snapshot', 'This discards newer data on the VM.'],
  [
    `certificate:${key}`,
    'Someone wants an SSH certificate for your VM',
    'This lets the key below log in to the VM for ten minutes.',
  ],
] as const) {
  test(`A1 A3 A7 the act ${act.split(':')[0]} stands in words on the page and in the signed text, and *Not me* ends it`, async ({
    page,
    stand,
    useWallet,
  }) => {
    await useWallet([5])
    const code = stand.ask(act, act === 'session' ? undefined : vmId, '198.51.100.4')
    await page.goto(`${stand.origin}/s/${code}`)
    await connect(page)
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(heading)
    await expect(page.getByText(promise, { exact: false })).toBeVisible()
    if (act.startsWith('certificate:')) await expect(page.getByText(key, { exact: true })).toBeVisible()
    await expect(page.getByRole('group', { name: 'The text your wallet will show' })).toContainText(`freehold:act:${act}`)
    await expect(page.getByText('198.51.100.4', { exact: false }).first()).toBeVisible()
    await page.getByRole('button', { name: 'Not me, refuse' }).click()
    await expect(page.getByText('Refused', { exact: true })).toBeVisible()
    expect(stateOf(stand, code)).toBe('denied')
  })
}

test('A5 S3 a wallet on another network is told so, one button brings it over, and it can sign', async ({
  page,
  stand,
  useWallet,
}) => {
  const wallet = await useWallet([5], { startOn: 1, knowsNetwork: false })
  const { url } = await open(stand)
  await page.goto(url)
  await connect(page)
  await expect(page.getByText('is on another network', { exact: false })).toBeVisible()
  await page.getByRole('button', { name: 'Switch to Local network' }).click()
  await expect(page.getByText('is on another network', { exact: false })).toHaveCount(0)
  expect(wallet.calls.map((c) => c.method)).toContain('wallet_addEthereumChain')
  await page.getByRole('button', { name: 'Approve with your wallet' }).click()
  await expect(page.getByText('Approved', { exact: true })).toBeVisible()
})

test('A5 a refusal in the wallet changes nothing, is named as such, and the next try counts', async ({
  page,
  stand,
  useWallet,
}) => {
  const wallet = await useWallet([5])
  const { code, url } = await open(stand)
  await page.goto(url)
  await connect(page)
  wallet.mood = 'decline'
  const approve = page.getByRole('button', { name: 'Approve with your wallet' })
  await approve.click()
  await expect(page.getByRole('alert').filter({ hasText: 'You declined it in the wallet' })).toBeFocused()
  expect(stateOf(stand, code)).toBe('waiting')
  wallet.mood = 'confirm'
  await approve.click()
  await expect(page.getByText('Approved', { exact: true })).toBeVisible()
})

test('A8 pasted nonsense is refused where it was pasted, and a good signature in two lines and quotes is taken', async ({
  page,
  stand,
}) => {
  const { code, url } = await open(stand)
  await page.goto(url)
  await page.locator('summary').click()
  const signer = stand.wallet(5)
  await page.getByLabel('Address that signs').fill(signer.address)
  const text = await page.getByRole('group', { name: 'Sign exactly this text with personal_sign' }).textContent()
  const good = await signer.signMessage(text ?? '')
  const field = page.getByLabel('Signature', { exact: true })
  const send = page.getByRole('button', { name: 'Send the signature' })
  for (const nonsense of ['', '0x', '0xzz', `0x${'ab'.repeat(10_001)}`, `${good.slice(0, 60)}\u0007${good.slice(60)}`]) {
    await field.fill(nonsense)
    await send.click()
    await expect(field, nonsense.slice(0, 20)).toHaveAttribute('aria-invalid', 'true')
    await expect(field).toBeFocused()
  }
  for (const refused of [good.slice(0, -2), `${good}00`, `0x${'ab'.repeat(10_000)}`, `${good.slice(0, -2)}05`]) {
    await field.fill(refused)
    await send.click()
    await expect(page.getByRole('alert').filter({ hasText: 'signature-invalid' })).toBeFocused()
  }
  expect(stateOf(stand, code)).toBe('waiting')
  await field.fill(`"${good.slice(0, 70)}\r\n${good.slice(70)}"`)
  await send.click()
  await expect(page.getByText('Approved', { exact: true })).toBeVisible()
})

test('A9 the countdown follows the host’s seconds, whatever this browser’s clock says', async ({ page, stand }) => {
  await page.clock.setFixedTime('2001-01-01T00:00:00Z')
  const { url } = await open(stand)
  await page.goto(url)
  await expect(page.getByText(/^Expires in (5:00|4:5\d)$/)).toBeVisible()
  await expect(page.getByText(/^Expires in 4:5\d$/)).toBeVisible()
})

test('T3 A7 where the host denies the holder itself, the page keeps saying why', async ({ page, stand, useWallet }) => {
  const expiring = await stand.buy(stand.wallet(9), 1)
  await useWallet([9])
  await stand.advance(2 * 86_400)
  const code = await stand.askShell(expiring)
  await page.goto(`${stand.origin}/s/${code}`)
  await connect(page)
  await page.getByRole('button', { name: 'Approve with your wallet' }).click()
  const why = page.getByRole('alert').filter({ hasText: 'not-entitled' })
  await expect(why).toBeVisible()
  await expect(page.getByRole('button', { name: 'Approve with your wallet' })).toHaveCount(0)
  await expect(page.locator(':focus')).toContainText('not-entitled')
  expect(stateOf(stand, code)).toBe('denied')
})
