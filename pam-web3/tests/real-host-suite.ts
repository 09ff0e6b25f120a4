import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import type { SignIn } from '../../appliance/src/sign-in/sign-in.ts'
import { zeroAddress } from '../../appliance/src/chain/subscription.ts'
import { holder, otherWallet, testSubscription, type SignInStand } from '../../appliance/src/sign-in/test-stand.ts'
import { createHonestHost, type HonestHost } from './honest-host.ts'
import { asVisitor, gateway } from './in-namespace.ts'
import { createStand, until, type Stand } from './stand.ts'
import { relay, Terminal } from './terminal.ts'

// Both real ends of PROTOCOL.md: the daemon's login endpoint and the module behind sshd; only the chain is a twin.
let stand: Stand
let honest: HonestHost
let host: SignInStand
let signIn: SignIn
/** How often a terminal has asked for its answer. */
let polls = 0
before(async () => {
  stand = await createStand()
  honest = await createHonestHost(stand, { patient: true })
  ;({ host, signIn } = honest)
  const { settled } = signIn.requests
  signIn.requests.settled = (...asked) => {
    polls += 1
    return settled(...asked)
  }
  await honest.reset()
})
beforeEach(() => host.chain.set({}))
after(async () => {
  await honest?.stop()
  await stand?.stop()
})

interface Asked {
  terminal: Terminal
  code: string
}
async function ask(): Promise<Asked> {
  const terminal = new Terminal(stand.port, { args: asVisitor, command: ['echo in as $(id -un)'] })
  const prompt = await terminal.prompt()
  return { terminal, code: /Code (\S+),/.exec(prompt)?.[1] ?? '' }
}
async function approve(code: string, wallet = holder, address = '127.0.0.1') {
  const signature = await wallet.signMessage(signIn.textOf(signIn.open(code), wallet.address))
  return await signIn.approve(code, { address: wallet.address, signature }, { address, cookieHash: null })
}
async function deniedAfterEnter({ terminal }: Asked, text: RegExp): Promise<void> {
  terminal.type('\r')
  await terminal.expect(text)
  assert.equal(await terminal.exit(), 255)
  assert.doesNotMatch(terminal.shown, /in as/)
}

test('denies a subscription in grace and says until when the data is kept', async () => {
  const asked = await ask()
  const now = host.clock.now()
  host.chain.set({ expiresAt: now - 60, graceEndsAt: now + 86_400 })
  await assert.rejects(approve(asked.code))
  await deniedAfterEnter(asked, /Denied: The subscription ended on .*\n?.*The data is kept until/)
})
test('T3 denies a subscription that has ended a moment ago, and says so to its last holder; to a stranger denied, no more', async () => {
  for (const [wallet, says] of [
    [holder, /Denied: The subscription has ended\./],
    [otherWallet, /Denied/],
  ] as const) {
    const asked = await ask()
    host.chain.set({})
    host.chain.latestSubscription = { ...testSubscription(host.clock.now()), state: 'ended', holder: zeroAddress }
    await assert.rejects(approve(asked.code, wallet))
    await deniedAfterEnter(asked, says)
    assert.equal(/ended/.test(asked.terminal.shown), wallet === holder)
  }
})
test('denies while the host knows stale facts only, and says so', async () => {
  const asked = await ask()
  host.chain.heads = { ...host.chain.heads, stale: true }
  await assert.rejects(approve(asked.code))
  await deniedAfterEnter(asked, /Denied: The host does not know the present state of the network/)
  host.chain.heads = { ...host.chain.heads, stale: false }
})
test('denies a former holder although the approval was given before the transfer', async () => {
  const asked = await ask()
  await approve(asked.code)
  host.chain.set({ holder: otherWallet.address.toLowerCase() as `0x${string}` })
  host.clock.advance(11)
  await deniedAfterEnter(asked, /Denied: Denied\.|Denied: denied\./i)
})
test('A3 denies what is refused on the page while the terminal waits for the host, and says so', async () => {
  const asked = await ask()
  const before = polls
  asked.terminal.type('\r')
  await until(() => polls > before, 'the terminal to ask')
  await signIn.refuse(asked.code, '203.0.113.9')
  await asked.terminal.expect(/Denied: Refused on the sign-in page\./)
  assert.equal(await asked.terminal.exit(), 255)
})
test('A3 *Not me* ends the waiting login at once, before anybody presses Enter, also after the signature', async () => {
  for (const signed of [false, true]) {
    const way = await relay(stand.port, gateway)
    const terminal = new Terminal(way.port, { command: ['echo in as $(id -un)'] })
    const code = /Code (\S+),/.exec(await terminal.prompt())?.[1] ?? ''
    if (signed) assert.equal((await approve(code)).state, 'approved')
    await signIn.refuse(code, '203.0.113.9')
    await way.closedBySshd
    terminal.type('\r')
    assert.equal(await terminal.exit(), 255)
    assert.doesNotMatch(terminal.shown, /in as/)
    way.stop()
  }
})
test('denies a stranger, who learns nothing; the request stays open for the holder', async () => {
  const asked = await ask()
  await assert.rejects(approve(asked.code, otherWallet))
  await approve(asked.code)
  asked.terminal.type('\r')
  await asked.terminal.expect(/in as owner/)
  assert.equal(await asked.terminal.exit(), 0)
})
test('opens at one Enter that was pressed before the approval', async () => {
  const asked = await ask()
  asked.terminal.type('\r')
  await approve(asked.code)
  await asked.terminal.expect(/in as owner/)
  assert.equal(await asked.terminal.exit(), 0)
})
test('opens by the reply code alone when the approval came from elsewhere', async () => {
  const asked = await ask()
  const outcome = await approve(asked.code, holder, '203.0.113.9')
  assert.equal(outcome.state, 'needs-reply')
  asked.terminal.type('\r')
  await asked.terminal.expect(/the page shows a reply code\. Paste it here \(3 tries left\): $/)
  asked.terminal.type('00000000\r')
  await asked.terminal.expect(/That reply code does not fit\.[^]*2 tries left\): $/)
  asked.terminal.type(`${outcome.replyCode?.toLowerCase()}\r`)
  await asked.terminal.expect(/in as owner/)
  assert.equal(await asked.terminal.exit(), 0)
})

test('denies a sign-in that has expired at the host', async () => {
  const asked = await ask()
  host.clock.advance(301)
  await deniedAfterEnter(asked, /Denied: The sign-in has expired\. Begin again\./)
})
