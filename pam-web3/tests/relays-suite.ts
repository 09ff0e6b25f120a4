import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { promisify } from 'node:util'
import { issueCertificate } from '../../appliance/src/sign-in/certificates/issue.ts'
import { createGuestEndpoint, type GuestEndpoint } from '../../appliance/src/sign-in/guest-endpoint.ts'
import { parseHostKey } from '../../appliance/src/sign-in/host-key.ts'
import type { Asker } from '../../appliance/src/sign-in/login-request.ts'
import { loadOrCreateSecrets, type Secrets } from '../../appliance/src/sign-in/secrets.ts'
import type { Act } from '../../appliance/src/sign-in/sign-in-text.ts'
import { createSignIn, type SignIn } from '../../appliance/src/sign-in/sign-in.ts'
import {
  holder,
  otherWallet,
  signInStand,
  testChainId,
  testContract,
  testInstallation,
  type SignInStand,
} from '../../appliance/src/sign-in/test-stand.ts'
import { newTlsIdentity } from '../../appliance/src/sign-in/tls-identity.ts'
import { vmSecret } from '../../appliance/src/vms/guest-secrets.ts'
import { createApi } from '../../appliance/src/api/app.ts'
import { loginRequestSchema } from '../../appliance/src/api/schemas/sign-in.ts'
import { apiStand, approvalOf } from '../../appliance/src/api/test-stand.ts'
import { doors } from './doors.ts'
import { asVisitor } from './in-namespace.ts'
import { createStand, type Stand } from './stand.ts'
import { createTlsFront } from './tls-front.ts'
import { Terminal } from './terminal.ts'

// What people may try against an honest host: the sent link on every surface, the approval of one act used for another, replay,
// races. The daemon's own sign-in and login endpoint, the module behind a real sshd; only the chain is a twin.
const run = promisify(execFile)
const victim = { address: '203.0.113.9', cookieHash: 'victim' }
const terminals: Terminal[] = []
/** What was given for one eye alone. */
const confided = { signatures: new Set<string>(), replyCodes: new Set<string>() }
let stand: Stand
let host: SignInStand
let signIn: SignIn
let endpoint: GuestEndpoint
let secrets: Secrets
let folder: string
const facts = (port: number, generation = 1) => ({
  endpoint: `127.0.0.1:${port}`,
  spkiSha256: secrets.spkiSha256,
  statementKey: secrets.statementKeyRaw,
  chainId: testChainId,
  contract: testContract,
  tokenId: '42',
  generation,
})
let port: number
const secretOf = (generation = 1) => vmSecret(secrets.master, `freehold:${testInstallation}/42/${generation}`)
const hostKey = () => ({
  publicKey: stand.hostKey.split(' ').slice(0, 2).join(' '),
  fingerprint: stand.fingerprint,
})
before(async () => {
  stand = await createStand()
  folder = await mkdtemp(join(tmpdir(), 'freehold-relays-'))
  secrets = await loadOrCreateSecrets(join(folder, 'secrets'))
  const made = await signInStand('embedded', 'https://host.example')
  host = { ...made, ports: { ...made.ports, statementKey: secrets.statementKey } }
  signIn = createSignIn(host.ports)
  // Enter is answered in a moment also where nothing was approved, not after half a minute
  const { settled } = signIn.requests
  signIn.requests.settled = (request, ms, signal) => settled(request, Math.min(ms, 300), signal)
  const onReport = () => Promise.resolve()
  endpoint = createGuestEndpoint({
    ...host.ports,
    signIn,
    master: secrets.master,
    login: secrets.login,
    onReport,
  })
  port = await endpoint.listen('127.0.0.1:0')
})
beforeEach(async () => {
  host.chain.set({})
  await host.putVm({ reported: false })
  await host.store.vms.mark({ installation: testInstallation, tokenId: 42n }, { hostKey: hostKey(), reportedAt: 1 })
  await stand.setFacts(facts(port), secretOf())
})
after(async () => {
  for (const terminal of terminals) terminal.stop()
  await endpoint?.close()
  await stand?.stop()
  await signIn?.outcomesKept()
  await host?.store.close()
  await rm(folder, { recursive: true, force: true })
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

test('denies a relayed link: the holder signs elsewhere, and the asker presses Enter, guesses, and guesses again', async () => {
  const asked = await ask()
  const outcome = await approve(asked.code, victim)
  assert.equal(outcome.state, 'needs-reply', 'the attack was made: the holder has signed')
  asked.terminal.type('\r')
  await asked.terminal.expect(/3 tries left\): $/)
  for (const left of [2, 1]) {
    asked.terminal.type('0000-0000\r')
    await asked.terminal.expect(new RegExp(`${left} tr(y|ies) left\\): $`))
  }
  await refused(asked, '1111-1111\r', /Denied: Three wrong reply codes/)
  // and the right code comes too late
  const request = signIn.requests.byCode(asked.code)
  assert.ok(request)
  signIn.reply(request, outcome.replyCode ?? '')
  assert.equal(request.state.kind, 'denied')
  assert.equal(await signIn.release(request), undefined)
})
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

/** A request that an attacker began on each surface, for the holder to sign. */
const surfaces: [string, Act, Asker][] = [
  ['the storefront', 'session', { kind: 'browser', cookieHash: 'attacker' }],
  ['the command line', 'session', { kind: 'cli', nonceHash: 'attacker' }],
  ['the console', 'console', { kind: 'browser', cookieHash: 'attacker' }],
  ['a reinstall', 'reinstall', { kind: 'browser', cookieHash: 'attacker' }],
  ['a rollback', 'rollback', { kind: 'browser', cookieHash: 'attacker' }],
  ['a certificate', `certificate:SHA256:${'a'.repeat(43)}`, { kind: 'cli', nonceHash: 'attacker' }],
]
function begin(act: Act, asker: Asker) {
  const vm = {
    vmId: `${testInstallation}-42`,
    installation: testInstallation,
    contract: testContract,
    tokenId: 42n,
    generation: 1,
  }
  return signIn.requests.create({
    act,
    vm: act === 'session' ? null : vm,
    hostKey: act.startsWith('certificate') ? stand.fingerprint : null,
    user: act.startsWith('certificate') ? 'owner' : null,
    source: '198.51.100.7',
    behindLoopbackForward: false,
    nonce: 'ab'.repeat(16),
    asker,
  })
}
for (const [surface, act, asker] of surfaces) {
  test(`denies session fixation at ${surface}: a request that a stranger began gives the stranger nothing by itself`, async () => {
    const request = begin(act, asker)
    const outcome = await approve(request.code, victim)
    assert.equal(outcome.state, 'needs-reply', 'the attack was made: the holder has signed')
    assert.equal(await signIn.release(request), undefined)
    for (const guess of ['0000-0000', '1111-1111', '2222-2222']) signIn.reply(request, guess)
    assert.equal(request.state.kind, 'denied')
    assert.equal(await signIn.release(request), undefined)
  })
  test(`denies the approval of ${surface} at the terminal`, async () => {
    const request = begin(act, asker)
    const signature = await holder.signMessage(signIn.textOf(request, holder.address))
    const asked = await ask()
    const direct = { address: '127.0.0.1', cookieHash: null }
    await assert.rejects(signIn.approve(asked.code, { address: holder.address, signature }, direct), {
      code: 'signature-invalid',
    })
    asked.terminal.type('\r')
    await asked.terminal.expect(/Denied: |Not approved yet\./)
    assert.doesNotMatch(asked.terminal.shown, /in as/)
    asked.terminal.stop()
  })
}
test('denies the approval of a login at every other surface', async () => {
  const asked = await ask()
  const signature = await holder.signMessage(signIn.textOf(signIn.open(asked.code), holder.address))
  for (const [, act, asker] of surfaces) {
    const request = begin(act, asker)
    const place = { address: '198.51.100.7', cookieHash: 'attacker' }
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
test('L9 a certificate opens for the wallet that signed for it, and for nobody once the pass has moved, not even while the next holder is active', async () => {
  const key = join(folder, 'key')
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', key], {
    timeout: 10_000,
  })
  const parsed = parseHostKey((await readFile(`${key}.pub`, 'utf8')).trim())
  assert.ok(parsed)
  const request = begin(`certificate:${parsed.fingerprint as `SHA256:${string}`}`, {
    kind: 'cli',
    nonceHash: 'mine',
  })
  const { state } = await approve(request.code, { address: '198.51.100.7', cookieHash: null })
  assert.equal(state, 'approved')
  await signIn.consume(request.requestId, () => true)
  await signIn.outcomesKept()
  const vm = { installation: testInstallation, tokenId: 42n, generation: 1 }
  const made = await issueCertificate({
    userCaPath: stand.userCa,
    key: parsed,
    vm,
    keyId: request.requestId,
  })
  await writeFile(`${key}-cert.pub`, `${made.certificate}\n`)
  const door = doors['a command']
  assert.ok(door)
  const first = await door(stand.port, ['-i', key])
  assert.ok(first.reached, first.shown)
  host.chain.set({ holder: otherWallet.address.toLowerCase() as `0x${string}` })
  const second = await door(stand.port, ['-i', key])
  assert.equal(second.reached, false)
  assert.match(second.shown, /Denied: The access pass has moved on since this certificate was given\./)
  host.chain.set({})
  host.chain.heads = { ...host.chain.heads, stale: true }
  assert.match((await door(stand.port, ['-i', key])).shown, /Denied: The host does not know the present state of the\s+network/)
  host.chain.heads = { ...host.chain.heads, stale: false }
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
  assert.ok(confided.signatures.size >= 6 && confided.replyCodes.size >= 4)
  const words = [...confided.signatures, ...[...confided.replyCodes].flatMap((code) => [code, code.replace('-', '')])]
  for (const word of words) assert.ok(word.length >= 8 && !logs.includes(word.toLowerCase()), word)
})
