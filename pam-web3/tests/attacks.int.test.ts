import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { opensToHolder, outsideMoves, type Stage } from './attacks-from-outside.ts'
import { createHonestHost, type HonestHost } from './honest-host.ts'
import { elsewhere, forged, lower, signatures } from './lies.ts'
import { createLyingHost, holder, secret, stranger, type LyingHost, type Lies, type Opened } from './lying-host.ts'
import { createStand, type GuestFacts, type Stand } from './stand.ts'
import { Terminal } from './terminal.ts'

// The table of attacks on signing in: every row ends at the same real sshd, which denies, and which opens to the holder before and
// after. A host, or somebody in its place, lies: one row per field of the signed text and of the statement, and per way to bring an
// approval that was given for something else; a row counts only if the lie was really delivered. Then what a person may try although
// the host is honest: certificates, links, a session begun for somebody else on each surface, one act's approval for another, replay.
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
let honest: HonestHost
let stage: Stage
before(async () => {
  stand = await createStand()
  honest = await createHonestHost(stand)
  const lying = async () => {
    host.reset()
    await stand.setFacts(host.facts, secret)
    return host
  }
  stage = { stand, honest, lying, signatures: new Set() }
  host = await createLyingHost(stand.fingerprint)
  other = await createLyingHost(stand.fingerprint)
})
beforeEach(async () => {
  host.reset()
  other.reset()
  await stand.setFacts(host.facts, secret)
})
after(async () => {
  Terminal.stopAll()
  await honest?.stop()
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
for (const { move, play } of outsideMoves) {
  test(`denies ${move}`, async () => {
    await honest.reset()
    await play(stage)
  })
}
test('the same sshd opens to the holder: by a host that lied before, and by the honest one; nothing was logged', async () => {
  await approvedLogin()
  await honest.reset()
  await opensToHolder(stage)
  assert.ok(stage.signatures.size > outsideMoves.length - 1, 'each of these moves had a signature of the holder')
  assertUnlogged([...stage.signatures])
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
