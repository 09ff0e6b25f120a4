import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import type { SignInFacts } from '../../appliance/src/sign-in/sign-in-text.ts'
import { createLyingHost, holder, secret, stranger, vm, type LyingHost, type Lies, type Opened } from './lying-host.ts'
import { createStand, type GuestFacts, type Stand } from './stand.ts'
import { Terminal } from './terminal.ts'

// The table of a host, or of somebody in its place, that lies: one row per field of the signed text and of the statement, and per
// way to bring an approval that was given for something else. Each row is played against a real sshd, and counts only if the lie
// was really delivered. What a person may try against an honest host stands in relays.int.test.ts; certificates in
// certificates.int.test.ts.
interface Row {
  field: string
  move: string
  lies?: Lies
  /** Instead of lies: what the host answers, given the login and one that was approved before. */
  answer?: (opened: Opened, before: object) => object | Promise<object>
  /** The guest's facts for this row; the approval before was given under the usual ones. */
  facts?: (usual: GuestFacts) => Partial<GuestFacts>
  denied: RegExp
}

const otherText = /Denied: the approval is for another sign-in\./
const otherNonce = /Denied: the approval was given before, for another sign-in\./
const badSignature = /Denied: the wallet's signature does not fit this sign-in\./
const notTheHost = /Denied: the statement is not signed by this VM's host\./
const unreadable = /Denied: the host's answer cannot be read\./
const lower = (wallet: { address: string }) => wallet.address.toLowerCase()

/** Every fact of the text, as another login would have it. */
const elsewhere: [string, string, Partial<SignInFacts>][] = [
  ['VM', "another VM's", { vm: { ...vm, tokenId: 43n } }],
  ['generation', 'the former generation', { vm: { ...vm, generation: 2 } }],
  ['contract', 'another contract of the same chain', { vm: { ...vm, contract: `0x${'ab'.repeat(20)}` } }],
  ['chain', 'the same contract on another chain', { chainId: 1 }],
  ['act', 'a web session', { act: 'session' }],
  ['act', 'the serial console', { act: 'console' }],
  ['act', 'a reinstall', { act: 'reinstall' }],
  ['act', 'a rollback', { act: 'rollback' }],
  ['act', 'a certificate', { act: `certificate:SHA256:${'a'.repeat(43)}` }],
  ['user', 'another login name', { user: 'root' }],
  ['host key', 'a VM with another host key', { hostKey: `SHA256:${'a'.repeat(43)}` }],
  ['source', 'another address', { source: '203.0.113.9' }],
  ['time', 'an earlier issue', { issuedAt: '2020-01-01T00:00:00Z' }],
  ['time', 'a later end', { expiresAt: '2099-01-01T00:00:00Z' }],
  ['nonce', 'another terminal', { nonce: 'ff'.repeat(16) }],
  ['code', 'another code', { code: '0000-0000' }],
  ['request', 'another request', { requestId: 'ff'.repeat(16) }],
  ['origin', 'a page elsewhere', { origin: 'https://evil.example' }],
  ['signer', "another wallet's text", { address: stranger.address }],
]

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
function highS(signature: string): string {
  const s = order - BigInt(`0x${signature.slice(66, 130)}`)
  return `${signature.slice(0, 66)}${s.toString(16).padStart(64, '0')}${signature.endsWith('1b') ? '1c' : '1b'}`
}

/** Shapes of a signature that must not recover anybody. */
const signatures: [string, (honest: string) => string][] = [
  ['of 0 bytes', () => '0x'],
  ['of 64 bytes', (s) => s.slice(0, -2)],
  ['of 66 bytes', (s) => `${s}00`],
  ['of 10,000 bytes', () => `0x${'ab'.repeat(10_000)}`],
  ['without 0x', (s) => s.slice(2)],
  ['that is no hex', (s) => `0xzz${s.slice(4)}`],
  ['with a high s', highS],
  ['with v 0', (s) => `${s.slice(0, -2)}00`],
  ['with v 1', (s) => `${s.slice(0, -2)}01`],
  ['with v 29', (s) => `${s.slice(0, -2)}1d`],
  ['with r 0', (s) => `0x${'00'.repeat(32)}${s.slice(66)}`],
  ['with s 0', (s) => `${s.slice(0, 66)}${'00'.repeat(32)}${s.slice(130)}`],
  ['with r at the order of the curve', (s) => `0x${order.toString(16)}${s.slice(66)}`],
  ['with a line break', (s) => `${s}\n`],
]

/** Fields of the statement, changed after the host signed it. */
const forged: [string, unknown][] = [
  ['act', 'session'],
  ['textSha256', 'ff'.repeat(32)],
  ['nonce', 'ff'.repeat(16)],
  ['signer', lower(stranger)],
  ['verifiedBy', 'erc1271'],
  ['holder', lower(stranger)],
  ['entitlement', 'grace'],
  ['activeUntil', 1_900_000_001],
  ['blockNumber', 124],
  ['blockHash', `0x${'ac'.repeat(32)}`],
  ['signature', Buffer.alloc(64).toString('base64')],
]

const rows: Row[] = [
  // the whole approval, honest in itself, was given for something else
  ...elsewhere.map(([field, move, facts]): Row => ({
    field,
    move: `an approval for ${move}`,
    lies: { facts },
    denied: otherText,
  })),
  // the host's statement says that the right text was signed: the module finds out by itself
  ...elsewhere.map(([field, move, facts]): Row => ({
    field,
    move: `a signature for ${move} that the host vouches for`,
    lies: { facts, claimsHonestText: true },
    denied: badSignature,
  })),
  ...signatures.map(([move, signature]): Row => ({
    field: 'signature',
    move: `a signature ${move}`,
    lies: { signature },
    denied: badSignature,
  })),
  ...forged.map(([field, value]): Row => ({
    field: `statement ${field}`,
    move: 'changed after it was signed',
    lies: { forged: { [field]: value } },
    denied: notTheHost,
  })),
  {
    field: 'statement act',
    move: 'signed for another act',
    lies: { statement: { act: 'console' } },
    denied: /for something else/,
  },
  {
    field: 'statement nonce',
    move: 'signed for another login',
    lies: { statement: { nonce: 'ff'.repeat(16) } },
    denied: otherNonce,
  },
  {
    field: 'signer',
    move: 'a stranger who says to be the holder',
    lies: { wallet: stranger, statement: { signer: lower(holder), holder: lower(holder) } },
    denied: badSignature,
  },
  {
    field: 'signer',
    move: 'a stranger whom the host names as such',
    lies: { wallet: stranger, statement: { holder: lower(holder) } },
    denied: /does not hold the access pass/,
  },
  {
    field: 'holder',
    move: 'a former holder, after the transfer',
    lies: { statement: { holder: lower(stranger) } },
    denied: /does not hold the access pass/,
  },
  ...(['pending', 'grace', 'grace-over', 'ended'] as const).map((entitlement): Row => ({
    field: 'entitlement',
    move: `a subscription that is ${entitlement}`,
    lies: { statement: { entitlement } },
    denied: /the subscription is not active/,
  })),
  {
    field: 'replay',
    move: 'the approval of a login that succeeded',
    answer: (_, before) => before,
    denied: otherNonce,
  },
  {
    field: 'replay',
    move: 'that approval after a reinstall',
    answer: (_, before) => before,
    facts: () => ({ generation: 2 }),
    denied: otherNonce,
  },
  {
    field: 'replay',
    move: 'that approval at another VM of the same host',
    answer: (_, before) => before,
    facts: () => ({ tokenId: '43' }),
    denied: otherNonce,
  },
  {
    field: 'replay',
    move: 'the signature alone, in an answer of the present',
    answer: async (opened, before) => ({
      ...(await host.approve(opened)),
      signature: (before as { signature: string }).signature,
    }),
    denied: badSignature,
  },
  {
    field: 'answer',
    move: 'approved without a statement',
    answer: async (opened) => {
      const { statement: _, ...rest } = (await host.approve(opened)) as { statement: unknown }
      return rest
    },
    denied: unreadable,
  },
  { field: 'answer', move: 'approved, and a field more', lies: { forged: { more: 1 } }, denied: unreadable },
  { field: 'answer', move: 'another state', answer: () => ({ state: 'open' }), denied: unreadable },
]

let stand: Stand
let host: LyingHost
let other: LyingHost
before(async () => {
  stand = await createStand()
  host = await createLyingHost(stand.fingerprint)
  other = await createLyingHost(stand.fingerprint)
})
beforeEach(async () => {
  host.reset()
  other.reset()
  await stand.setFacts(host.facts, secret)
})
after(async () => {
  await other?.stop()
  await host?.stop()
  await stand?.stop()
})

async function login(): Promise<{ code: number; shown: string }> {
  const terminal = new Terminal(stand.port, { command: ['echo in as $(id -un)'] })
  await terminal.expect(/paste the reply code: $|Denied: /)
  terminal.type('\r')
  return { code: await terminal.exit(), shown: terminal.shown }
}
/** A login that succeeds, and its approval. */
async function approvedLogin(): Promise<object> {
  let approval: object = {}
  host.answer = async (opened) => (approval = await host.approve(opened))
  const { code, shown } = await login()
  assert.equal(code, 0, shown)
  return approval
}

/** Nothing of what was delivered stands in sshd's log, not in part either. */
function assertUnlogged(words: readonly string[]): void {
  const log = stand.log().toLowerCase()
  assert.match(log, /keyboard-interactive\/pam for owner/, 'these logins are not in this log')
  // the start of a signature tells it apart; what is shorter than that is none
  for (const word of words) {
    const part = word.replace(/^0x/, '').slice(0, 32).toLowerCase()
    assert.ok(part.length < 32 || !log.includes(part), `logged: ${part}`)
  }
}

for (const { field, move, lies, answer, facts, denied } of rows) {
  test(`denies ${field}: ${move}`, async () => {
    const before = answer === undefined ? {} : await approvedLogin()
    if (facts !== undefined) await stand.setFacts({ ...host.facts, ...facts(host.facts) }, secret)
    let delivered = 0
    const signatures = new Set<string>()
    host.answer = async (opened) => {
      delivered += 1
      const given = answer === undefined ? await host.approve(opened, lies) : await answer(opened, before)
      if ('signature' in given) signatures.add(String(given.signature))
      return given
    }
    const { code, shown } = await login()
    assert.ok(delivered > 0, 'the attack was never made')
    assert.equal(code, 255)
    assert.match(shown.replaceAll('\n', ' '), denied)
    assert.doesNotMatch(shown, /in as/)
    assertUnlogged([secret, ...signatures])
  })
}
test('denies statement key: an approval by another host', async () => {
  let delivered = 0
  host.answer = (opened) => {
    delivered += 1
    return other.approve(opened)
  }
  const { code, shown } = await login()
  assert.equal(delivered, 1)
  assert.equal(code, 255)
  assert.match(shown, notTheHost)
})
test('the same host opens as soon as it says the truth', async () => {
  await approvedLogin()
})
test('the table has a row for every field of the text and of the statement', () => {
  const fields = new Set(rows.map((row) => row.field))
  for (const field of [
    'VM',
    'generation',
    'act',
    'chain',
    'contract',
    'user',
    'host key',
    'source',
    'time',
    'nonce',
    'signer',
    'code',
  ])
    assert.ok(fields.has(field), field)
  for (const [field] of forged) assert.ok(fields.has(`statement ${field}`), field)
})
