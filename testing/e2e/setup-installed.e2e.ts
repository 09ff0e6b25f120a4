import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { test as base, expect, type Page } from '@playwright/test'
import { MovableClock } from '@freehold/appliance/clock/clock'
import { createCertificates, type TlsSubject } from '@freehold/appliance/setup/tls/certificates'
import { sections } from '@freehold/appliance/setup/wizard/sections'
import { startInstalledWizard, type InstalledWizardStand } from '../stands/installed-wizard.ts'
import { keysOf, type Keys } from './by-keys.ts'
import { perWorker } from './per-worker.ts'

const name = 'host.example'

const test = base.extend<object, { host: InstalledWizardStand }>({
  // the first certificate is vouched for by nobody: people compare it, and so does the first test
  // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
  ignoreHTTPSErrors: async ({}, use) => use(true),
  launchOptions: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
    async ({}, use) =>
      use({
        executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
        args: [`--host-resolver-rules=MAP ${name} 127.0.0.1`],
      }),
    { scope: 'worker' },
  ],
  host: perWorker(startInstalledWizard, 240_000),
})
// one host lives through all of it
test.describe.configure({ mode: 'serial' })

const section = (page: Page, name: string) => page.getByRole('heading', { level: 2, name, exact: true })
/** Pages that the other installation asks, too, are met by keys in setup.e2e.ts; these only here. */
const onlyInstalled = sections.filter(({ asked }) => asked?.({ mode: 'embedded' }) === false).map(({ name }) => name)
const met = new Set<string>()

/** SHA-256 of the certificate of the page as Chromium itself tells it (Security domain), in its own notation. */
async function fingerprintInBrowser(page: Page, origin: string): Promise<string> {
  const session = await page.context().newCDPSession(page)
  const told = Promise.withResolvers<string[]>()
  session.on('Security.visibleSecurityStateChanged', ({ visibleSecurityState: { certificateSecurityState: state } }) => {
    if (state !== undefined) told.resolve(state.certificate)
  })
  await session.send('Security.enable')
  expect(new URL(page.url()).origin).toBe(origin)
  const [leaf = ''] = await told.promise
  await session.detach()
  return createHash('sha256').update(Buffer.from(leaf, 'base64')).digest('hex').toUpperCase().match(/../g)?.join(':') ?? ''
}

/** The fingerprint on the machine's screen, over its two lines. */
function fingerprintOnScreen(text: string): string {
  const found = /\b((?:[0-9A-F]{2}:){15}[0-9A-F]{2})\n((?:[0-9A-F]{2}:){15}[0-9A-F]{2})\b/.exec(text)
  return found === null ? 'none' : `${found[1]}:${found[2]}`
}

/** By the code of the screen, and by keys alone. */
async function enter(page: Page, host: InstalledWizardStand): Promise<Keys> {
  const keys = await keysOf(page)
  await page.goto(`${host.origin}/setup`)
  await keys.type('Code', await host.code())
  await keys.press('Go on')
  await expect(page.getByRole('navigation', { name: 'Pages of the setup' })).toBeVisible()
  return keys
}

test('W3 W4 the fingerprint on the screen of the machine is the one that Chromium holds for the connection', async ({
  page,
  host,
}) => {
  await page.goto(`${host.origin}/setup`)
  await expect(page.getByText('Compare the SHA-256 fingerprint')).toBeVisible()
  const seen = await fingerprintInBrowser(page, host.origin)
  expect(seen).toMatch(/^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/)
  expect(fingerprintOnScreen(await host.screen())).toBe(seen)
})

test('W13 X12 the page of this machine’s network, by keyboard alone: refused until tried; address and countdown stand there before and during', async ({
  page,
  host,
}) => {
  const keys = await enter(page, host)
  await expect(section(page, 'This machine’s network')).toBeVisible()
  met.add('uplink')
  await keys.pick(/A fixed address/)
  await keys.type('Address of this machine', '192.0.2.77')
  await keys.type('Prefix length', '24')
  await keys.type('Way out (gateway)', '192.0.3.1')
  await expect(page.getByText('192.0.3.1 is not in the net of 192.0.2.77/24.')).toBeVisible()
  await keys.type('Way out (gateway)', '192.0.2.1')
  await expect(page.getByText('is not in the net of')).toHaveCount(0)
  await expect(page.getByText(/The machine changes to 192\.0\.2\.77 for 3 min/)).toBeVisible()
  await keys.press('Save and go on')
  await expect(page.getByRole('alert').filter({ hasText: 'This network is not in use yet.' })).toBeVisible()
  await keys.press('Try this network')
  await expect(page.getByText('On trial: 192.0.2.77')).toBeVisible()
  const link = page.getByRole('link', { name: 'Open 192.0.2.77 and confirm there' })
  await expect(link).toHaveAttribute('href', /^https:\/\/192\.0\.2\.77\/setup\?page=uplink#[\w-]{43}$/)
  await expect.poll(() => host.tried.length).toBe(1)
  // nothing really changed here: the host says so, and the old answer can be kept
  await expect(page.getByText('Nobody confirmed the last change')).toBeVisible({ timeout: 30_000 })
  await keys.pick(/Leave it as it is/)
  await keys.press('Save and go on')
  await expect(section(page, 'Address')).toBeVisible()
  keys.alone()
})

test('W14 W9 X12 a certificate by ACME, its page by keyboard alone: terms must be accepted, the next fingerprint stands on page and screen before the switch', async ({
  page,
  host,
}) => {
  test.setTimeout(180_000)
  const keys = await enter(page, host)
  const origin = `https://${name}:${host.httpsPort}`
  const put = (section: string, value: Record<string, unknown>) =>
    page.evaluate(
      async ([path, body]) => {
        const view = (await (await fetch('/v1/setup/wizard')).json()) as { sections: { name: string; revision: number }[] }
        const revision = view.sections.find((one) => path?.endsWith(`/${one.name}`))?.revision ?? 0
        const answer = await fetch(path ?? '', {
          method: 'PUT',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ revision, value: JSON.parse(body ?? '') as unknown }),
        })
        if (!answer.ok) throw new Error(await answer.text())
      },
      [`/v1/setup/answers/${section}`, JSON.stringify(value)],
    )
  await put('uplink', { uplink: null })
  await put('address', { origin })

  await page.goto(`${host.origin}/setup?page=tls`)
  await expect(section(page, 'Certificate')).toBeVisible()
  met.add('tls')
  await keys.pick(/From a public authority \(ACME\)/)
  await keys.type('Directory of the authority', host.acme.directory)
  await keys.press('Save and go on')
  await expect(page.getByText('the terms of the certificate authority must be accepted').first()).toBeVisible()
  await keys.tick('I have read and accept the terms of the authority.')
  // its own authority is known to nobody: a file of the machine, which comes by the answer file
  await expect(page.getByText(/unable to verify|self-signed|certificate/i).first()).toBeVisible()
  await keys.press('Save and go on')
  await expect(section(page, 'Network')).toBeVisible()
  expect([...met], 'pages that only an installed host has, met by keys').toEqual(onlyInstalled)
  const { directory, authorityFile } = host.acme
  await put('tls', { tls: { kind: 'acme', directory, authorityFile, termsAgreed: true } })

  const [owner, treasury] = ['0x70997970C51812dc3A010C7d01b50e0d17dc79C8', '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC']
  await put('chain', { chain: { chainId: 31337, rpcUrls: [host.chain.url], confirmations: 1 }, publicChain: true })
  await put('people', { roles: { owner, treasury }, deployment: 'key' })
  await put('hypervisor', { hypervisor: { kind: 'fake', createSeconds: 0 } })
  await put('network', { network: {} })
  await put('template', { template: {} })
  const plan = { name: 'Small', vcpus: 1, memoryMiB: 512, diskGiB: 4, graceDays: 7, capacity: 4, prices: { native: '1000' } }
  await put('plans', { plans: [plan] })
  await put('backup', { backup: {} })

  await page.goto(`${host.origin}/setup?page=review`)
  await expect(page.getByText(`A certificate for ${name} is asked for at localhost`)).toBeVisible()
  await keys.press('Confirm and set up')
  await expect(section(page, 'Setting up')).toBeVisible()
  keys.alone()
  const payee = page.locator('code').filter({ hasText: /^0x[0-9a-fA-F]{40}$/ })
  await expect(payee.first()).toBeVisible({ timeout: 60_000 })
  const address = (await payee.first().textContent()) ?? ''
  await host.chain.rpc('anvil_setBalance', address, '0xde0b6b3a7640000')

  const next = page.getByRole('status').filter({ hasText: 'The certificate of this host changes in a moment' })
  await expect(next).toBeVisible({ timeout: 60_000 })
  const announced = (await next.locator('code').textContent()) ?? ''
  expect(announced).toMatch(/^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/)
  expect(fingerprintOnScreen(await host.screen())).toBe(announced)

  host.announced()

  // the switch: from then on the name shows that certificate, and the address leads to the name
  const visitor = await page.context().newPage()
  await expect(async () => {
    await visitor.goto(origin)
    await expect(visitor.getByRole('heading', { name: 'Small' })).toBeVisible({ timeout: 2000 })
  }).toPass({ timeout: 60_000 })
  expect(await fingerprintInBrowser(visitor, origin)).toBe(announced)
  // the page that set the host up leads on from the address of the machine
  await expect(page.getByRole('heading', { name: 'The host is set up' })).toBeVisible({ timeout: 60_000 })
  await expect(page.getByRole('link', { name: 'Open the storefront' })).toHaveAttribute('href', origin)
})

test('W14 I5 guests’ logins go on through a change of the certificate: their connection lives, their key stays', async ({
  page,
  host,
}) => {
  const origin = `https://${name}:${host.httpsPort}`
  await page.goto(origin)
  const before = await fingerprintInBrowser(page, origin)
  const guest = await openLogin(host.loginPort)
  const key = keyOf(guest)
  const certificates = createCertificates({
    stateFolder: host.stateFolder,
    clock: new MovableClock(),
    front: { httpPort: host.acme.httpPort, httpsPort: host.httpsPort, reload: host.reload },
    log: () => undefined,
  })
  const subject = { origin, tls: { kind: 'own-ca' }, listen: { api: 'run/api.sock', web: host.web, login: '' } } as TlsSubject
  const { fingerprint } = await certificates.prepare(subject, new AbortController().signal)
  await certificates.switchTo(subject)
  await expect(async () => {
    // a browser that is open keeps its connection; a new one sees the new certificate
    const other = await page.context().browser()?.newContext({ ignoreHTTPSErrors: true })
    try {
      const fresh = await other?.newPage()
      await fresh?.goto(origin, { timeout: 5000 })
      expect(fresh && (await fingerprintInBrowser(fresh, origin))).toBe(fingerprint)
    } finally {
      await other?.close()
    }
  }).toPass({ timeout: 60_000 })
  expect(fingerprint).not.toBe(before)
  // the connection that was open before is answered on
  guest.write('GET /guest/v1/presence HTTP/1.1\r\nhost: freehold\r\n\r\n')
  const [answer] = (await once(guest, 'data')) as [Buffer]
  expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 4\d\d /)
  guest.destroy()
  const again = await openLogin(host.loginPort)
  expect(keyOf(again)).toBe(key)
  again.destroy()
})

test('W14 W16 the last page: who is the operator, the root of the host’s own authority with what each system does with it, what to keep', async ({
  page,
  host,
}) => {
  const origin = `https://${name}:${host.httpsPort}`
  // by the address of the machine, too: without the root nobody gets to the name
  await page.goto(`${origin}/setup`)
  await expect(page.getByRole('heading', { name: 'The host is set up' })).toBeVisible()
  await expect(page.getByRole('link', { name: 'Sign in with the owner’s wallet' })).toHaveAttribute('href', `${origin}/operator`)
  await expect(page.getByText('The code of the screen is void')).toBeVisible()
  const root = new X509Certificate(await readFile(join(host.stateFolder, 'tls/authority/root.pem')))
  await expect(page.getByText(root.fingerprint256, { exact: true })).toBeVisible()
  for (const system of [
    'Windows',
    'macOS',
    'iPhone and iPad',
    'Android',
    'Debian, Ubuntu and Fedora',
    'Firefox, on any system',
  ]) {
    await page.getByText(system, { exact: true }).click()
  }
  await expect(page.getByText('update-ca-certificates')).toBeVisible()
  await expect(page.getByText('Trusted Root Certification Authorities')).toBeVisible()
  const download = page.waitForEvent('download')
  await page.getByRole('link', { name: 'Download the root certificate' }).click()
  const taken = new X509Certificate(await readFile(await (await download).path()))
  expect(taken.fingerprint256).toBe(root.fingerprint256)
  await expect(page.getByRole('heading', { name: 'What to keep' })).toBeVisible()
  // at the machine's own address Caddy hands the root out as well
  const answer = await page.request.get(`${host.origin}/authority/root.pem`, { maxRedirects: 0 })
  expect(new X509Certificate(await answer.body()).fingerprint256).toBe(root.fingerprint256)
})

/** As a guest connects: by the key alone, whatever names and dates say. */
async function openLogin(port: number): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  return socket
}

function keyOf(socket: TLSSocket): string {
  const { publicKey } = new X509Certificate(socket.getPeerCertificate().raw)
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
}
