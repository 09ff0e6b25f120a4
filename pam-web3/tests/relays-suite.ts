import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import type { Asker } from '../../appliance/src/sign-in/login-request.ts'
import type { Act } from '../../appliance/src/sign-in/sign-in-text.ts'
import type { SignIn } from '../../appliance/src/sign-in/sign-in.ts'
import { holder, otherWallet, type SignInStand } from '../../appliance/src/sign-in/test-stand.ts'
import { newTlsIdentity } from '../../appliance/src/sign-in/tls-identity.ts'
import { createApi } from '../../appliance/src/api/app.ts'
import { loginRequestSchema } from '../../appliance/src/api/schemas/sign-in.ts'
import { apiStand, approvalOf } from '../../appliance/src/api/test-stand.ts'
import { createHonestHost, type HonestHost } from './honest-host.ts'
import { asVisitor } from './in-namespace.ts'
import { createStand, type Stand } from './stand.ts'
import { createTlsFront } from './tls-front.ts'
import { Terminal } from './terminal.ts'

// What people may try against an honest host where a visitor's address matters, and what stays of a login: reply codes of others,
// a second use, races, what a stranger learns. Sent links and fixation on every surface stand in attacks.int.test.ts.
const victim = { address: '203.0.113.9', cookieHash: 'victim' }
const terminals: Terminal[] = []
/** What was given for one eye alone. */
const confided = { signatures: new Set<string>(), replyCodes: new Set<string>() }
let stand: Stand
let honest: HonestHost
let host: SignInStand
let signIn: SignIn
let folder: string
before(async () => {
  stand = await createStand()
  honest = await createHonestHost(stand)
  ;({ host, signIn, folder } = honest)
})
beforeEach(() => honest.reset())
after(async () => {
  for (const terminal of terminals) terminal.stop()
  await honest?.stop()
  await stand?.stop()
})

async function ask(): Promise<{ terminal: Terminal; code: string }> {
  const terminal = new Terminal(stand.port, { args: asVisitor, command: ['echo in as $(id -un)'] })
  terminals.push(terminal)
  const prompt = await terminal.prompt()
  return { terminal, code: /Code (\S+),/.exec(prompt)?.[1] ?? '' }
}
async function approve(
  code: string,
  place: { address: string; cookieHash: string | null } = {
    address: '127.0.0.1',
    cookieHash: null,
  },
) {
  const signature = await holder.signMessage(signIn.textOf(signIn.open(code), holder.address))
  const outcome = await signIn.approve(code, { address: holder.address, signature }, place)
  confided.signatures.add(signature.slice(2, 34))
  if (outcome.state === 'needs-reply') confided.replyCodes.add(outcome.replyCode ?? '')
  return outcome
}
async function refused({ terminal }: { terminal: Terminal }, keys: string, text: RegExp): Promise<void> {
  terminal.type(keys)
  await terminal.expect(text)
  assert.equal(await terminal.exit(), 255)
  assert.doesNotMatch(terminal.shown, /in as/)
}

test("denies somebody inside the guest: its own loopback is no place of the holder's, who signs at the host", async () => {
  const terminal = new Terminal(stand.port, { command: ['echo in as $(id -un)'] })
  terminals.push(terminal)
  const prompt = await terminal.prompt()
  assert.match(prompt, /from 127\.0\.0\.1/)
  const outcome = await approve(/Code (\S+),/.exec(prompt)?.[1] ?? '')
  assert.equal(outcome.state, 'needs-reply')
  terminal.type('\r')
  await terminal.expect(/3 tries left\): $/)
  terminal.stop()
})
test("denies the reply code of one login at another's prompt", async () => {
  const [first, second] = [await ask(), await ask()]
  const one = await approve(first.code, victim)
  const two = await approve(second.code, victim)
  assert.equal(one.state, 'needs-reply')
  second.terminal.type('\r')
  await second.terminal.expect(/3 tries left\): $/)
  second.terminal.type(`${one.replyCode}\r`)
  await second.terminal.expect(/does not fit/)
  second.terminal.type(`${two.replyCode}\r`)
  await second.terminal.expect(/in as owner/)
  first.terminal.stop()
})

/** A request of each surface but the terminal. */
const surfaces: [string, Act, Asker][] = [
  ['the storefront', 'session', { kind: 'browser', cookieHash: 'somebody' }],
  ['the command line', 'session', { kind: 'cli', nonceHash: 'somebody' }],
  ['the console', 'console', { kind: 'browser', cookieHash: 'somebody' }],
  ['a reinstall', 'reinstall', { kind: 'browser', cookieHash: 'somebody' }],
  ['a rollback', 'rollback', { kind: 'browser', cookieHash: 'somebody' }],
  ['a certificate', `certificate:SHA256:${'a'.repeat(43)}`, { kind: 'cli', nonceHash: 'somebody' }],
]
test('denies the approval of a login at every other surface', async () => {
  const asked = await ask()
  const signature = await holder.signMessage(signIn.textOf(signIn.open(asked.code), holder.address))
  for (const [, act, asker] of surfaces) {
    const request = honest.begin(act, asker)
    const place = { address: '198.51.100.7', cookieHash: 'somebody' }
    await assert.rejects(signIn.approve(request.code, { address: holder.address, signature }, place), {
      code: 'signature-invalid',
    })
  }
  asked.terminal.stop()
})
test('denies a second use of a login that succeeded, and signing it again', async () => {
  const asked = await ask()
  await approve(asked.code)
  asked.terminal.type('\r')
  await asked.terminal.expect(/in as owner/)
  await assert.rejects(approve(asked.code))
})
test('denies an approval that was open while the VM was reinstalled', async () => {
  const asked = await ask()
  await approve(asked.code)
  await host.putVm({ reported: false, generation: 2 })
  await refused(asked, '\r', /Denied: /)
  // the former generation's secret opens nothing any more
  const again = new Terminal(stand.port, { args: asVisitor, command: ['echo in as $(id -un)'] })
  await again.expect(/Denied: This VM is not known here\./)
  assert.equal(await again.exit(), 255)
})
test('two logins that race for one code: one approval opens one of them, and the other waits on', async () => {
  const [first, second] = [await ask(), await ask()]
  assert.notEqual(first.code, second.code)
  const outcomes = await Promise.allSettled([approve(first.code), approve(first.code), approve(first.code)])
  assert.ok(outcomes.some((o) => o.status === 'fulfilled'))
  first.terminal.type('\r')
  await first.terminal.expect(/in as owner/)
  assert.equal(signIn.requests.byCode(second.code)?.state.kind, 'waiting')
  second.terminal.stop()
})
test('a public TLS certificate whose key changes while a terminal waits touches no login: the page goes on, the guest pins another', async () => {
  const origin = 'https://host.example'
  const api = await apiStand('embedded', 'public', origin)
  const app = await createApi({ ...api.apiPorts, signIn, store: host.store, clock: host.clock })
  const socket = join(folder, 'front.sock')
  await app.listen({ path: socket })
  const identities = [await newTlsIdentity(), await newTlsIdentity()] as const
  const fingerprints = identities.map(({ certificatePem }) => new X509Certificate(certificatePem).fingerprint256)
  const front = await createTlsFront(socket, origin, identities[0])
  try {
    const asked = await ask()
    const path = `/v1/login-requests/${asked.code}`
    const shown = await front.call('GET', path)
    assert.deepEqual([shown.status, shown.fingerprint], [200, fingerprints[0]])
    front.swap(identities[1])
    const body = await approvalOf(loginRequestSchema.parse(shown.body), holder)
    const approved = await front.call('POST', `${path}/approval`, body)
    assert.deepEqual([approved.status, approved.fingerprint], [200, fingerprints[1]], JSON.stringify(approved.body))
    assert.notEqual(shown.fingerprint, approved.fingerprint)
    assert.equal(front.passed, 2)
    asked.terminal.type('\r')
    await asked.terminal.expect(/in as owner/)
    assert.equal(await asked.terminal.exit(), 0)
  } finally {
    await front.stop()
    await app.close()
    await api.close()
  }
})
test('T3 a stranger at the ssh port learns neither holder nor state: one prompt for all, whatever is true', async () => {
  const prompts: string[] = []
  for (const state of [{}, { holder: otherWallet.address.toLowerCase() as `0x${string}` }, { state: 'ended' as const }]) {
    host.chain.set(state)
    const asked = await ask()
    asked.terminal.stop()
    prompts.push(asked.terminal.shown.replaceAll(/[0-9A-Z]{4}-?[0-9A-Z]{4}|\d\d:\d\d|:\d+/g, '*'))
    for (const wallet of [holder, otherWallet]) {
      assert.ok(!asked.terminal.shown.toLowerCase().includes(wallet.address.slice(2, 12).toLowerCase()))
    }
  }
  assert.equal(new Set(prompts).size, 1, prompts.join('\n'))
})
test('neither sshd nor the host has logged a signature or a reply code of all these logins', () => {
  const guest = stand.log()
  const logs = `${guest}\n${host.lines.join('\n')}`.toLowerCase()
  assert.match(guest, /keyboard-interactive\/pam for owner/, 'these logins are not in this log')
  assert.ok(confided.signatures.size >= 5 && confided.replyCodes.size >= 3)
  const words = [...confided.signatures, ...[...confided.replyCodes].flatMap((code) => [code, code.replace('-', '')])]
  for (const word of words) assert.ok(word.length >= 8 && !logs.includes(word.toLowerCase()), word)
})
