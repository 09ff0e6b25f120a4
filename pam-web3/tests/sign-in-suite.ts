import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { highS } from './lies.ts'
import { createLyingHost, holder, secret, stranger, type LyingHost, type Lies, type Opened } from './lying-host.ts'
import { lyingStand } from './lying-stand.ts'
import { until, type Stand } from './stand.ts'
import { relay, Terminal } from './terminal.ts'

// attacks.int.test.ts plays every lie to the same module at this machine's sshd. By default a few of them show that an sshd and libpam
// of another version carry a denial as well; all with FREEHOLD_ALL=1.
const all = process.env['FREEHOLD_ALL'] === '1'
const always = new Set([
  'a signature of another wallet that claims to be the holder',
  'a former holder',
  'a signature for another VM',
  'a signature with a high s',
  'holder',
])

/** Each must be denied with its text, whatever the host says. */
const lies: Record<string, { lies: Lies; text: RegExp }> = {
  'a signature of another wallet that claims to be the holder': {
    lies: {
      wallet: stranger,
      statement: { signer: holder.address.toLowerCase(), holder: holder.address.toLowerCase() },
    },
    text: /Denied: the wallet's signature does not fit this sign-in\./,
  },
  'a wallet that does not hold the pass': {
    lies: { wallet: stranger, statement: { holder: holder.address.toLowerCase() } },
    text: /Denied: the wallet that signed does not hold the access pass\./,
  },
  'a former holder': {
    lies: { statement: { holder: stranger.address.toLowerCase() } },
    text: /Denied: the wallet that signed does not hold the access pass\./,
  },
  'a signature for another VM': {
    lies: {
      facts: {
        vm: { contract: '0x5fbdb2315678afecb367f032d93f642f64180aa3', tokenId: 43n, generation: 1 },
      },
    },
    text: /Denied: the approval is for another sign-in\./,
  },
  'a signature for another generation': {
    lies: {
      facts: {
        vm: { contract: '0x5fbdb2315678afecb367f032d93f642f64180aa3', tokenId: 42n, generation: 2 },
      },
    },
    text: /Denied: the approval is for another sign-in\./,
  },
  'a signature for another host key': {
    lies: { facts: { hostKey: `SHA256:${'a'.repeat(43)}` } },
    text: /Denied: the approval is for another sign-in\./,
  },
  'a signature for another source address': {
    lies: { facts: { source: '203.0.113.9' } },
    text: /Denied: the approval is for another sign-in\./,
  },
  'a signature for another act': {
    lies: { facts: { act: 'console' }, statement: { act: 'console' } },
    text: /Denied: the approval is for something else\./,
  },
  'a subscription in grace': {
    lies: { statement: { entitlement: 'grace' } },
    text: /Denied: the subscription is not active\./,
  },
  'a subscription that has ended': {
    lies: { statement: { entitlement: 'ended' } },
    text: /Denied: the subscription is not active\./,
  },
  'a signature with a high s': {
    lies: { signature: highS },
    text: /Denied: the wallet's signature does not fit this sign-in\./,
  },
  'a signature with a wrong v': {
    lies: { signature: (s) => `${s.slice(0, -2)}1d` },
    text: /Denied: the wallet's signature does not fit this sign-in\./,
  },
  'a signature of 64 bytes': {
    lies: { signature: (s) => s.slice(0, -2) },
    text: /Denied: the wallet's signature does not fit this sign-in\./,
  },
  'a signature of 66 bytes': {
    lies: { signature: (s) => `${s}00` },
    text: /Denied: the wallet's signature does not fit this sign-in\./,
  },
}

/** A statement changed after it was signed, field by field. */
const tampered: Record<string, unknown> = {
  act: 'session',
  textSha256: 'ff'.repeat(32),
  nonce: 'ff'.repeat(16),
  signer: stranger.address.toLowerCase(),
  verifiedBy: 'erc1271',
  holder: stranger.address.toLowerCase(),
  entitlement: 'grace',
  activeUntil: 1_900_000_001,
  blockNumber: 124,
  blockHash: `0x${'ac'.repeat(32)}`,
}

/** Every denial and the way in, on one sshd (V1, L12; T1–T5 of ux.md). */
export function signInSuite(place: string, rootTar: () => Promise<string | undefined>): void {
  let stand: Stand
  let host: LyingHost
  lyingStand((made, honest) => ([stand, host] = [made, honest]), rootTar)
  const ssh = (options?: ConstructorParameters<typeof Terminal>[1]): Terminal => {
    const terminal = new Terminal(stand.port, { command: ['echo in as $(id -un)'], ...options })
    return terminal
  }
  /** Presses Enter at the prompt; expects a denial with this text and nothing but it. */
  async function denied(text: RegExp, keys = '\r'): Promise<Terminal> {
    const terminal = ssh()
    await terminal.prompt()
    terminal.type(keys)
    await terminal.expect(text)
    assert.equal(await terminal.exit(), 255)
    assert.doesNotMatch(terminal.shown, /in as/)
    return terminal
  }

  for (const [name, { lies: told, text }] of Object.entries(lies)) {
    if (!all && !always.has(name)) continue
    test(`${place}: denies ${name}`, async () => {
      host.answer = (opened) => host.approve(opened, told)
      await denied(text)
    })
  }
  for (const [field, value] of Object.entries(tampered)) {
    if (!all && !always.has(field)) continue
    test(`${place}: denies a statement with a changed ${field}`, async () => {
      host.answer = (opened) => host.approve(opened, { forged: { [field]: value } })
      await denied(/Denied: the statement is not signed by this VM's host\./)
    })
  }
  test(`${place}: denies a statement with a field more`, async () => {
    host.answer = (opened) => host.approve(opened, { forged: { more: 1 } })
    await denied(/Denied: the host's answer cannot be read\./)
  })
  test(`${place}: denies a statement by another key`, async () => {
    const other = await createLyingHost(stand.fingerprint)
    host.answer = (opened) => other.approve(opened)
    await denied(/Denied: the statement is not signed by this VM's host\./)
    await other.stop()
  })
  test(`${place}: denies an approval that was given before`, async () => {
    const seen: Opened[] = []
    host.answer = async (opened) => {
      seen.push(opened)
      return await host.approve(opened)
    }
    const first = ssh()
    await first.prompt()
    first.type('\r')
    assert.equal(await first.exit(), 0)
    const [old] = seen
    assert.ok(old)
    host.answer = () => host.approve(old)
    await denied(/Denied: the approval was given before, for another sign-in\./)
  })
  test(`${place}: T3 denies what the host denies and shows its reason`, async () => {
    for (const text of ['The sign-in has expired. Begin again.', 'The subscription ended on 2026-11-20.', 'denied']) {
      host.answer = () => ({ state: 'denied', reason: { code: 'request-expired', text } })
      await denied(new RegExp(`Denied: ${text.replaceAll('.', '\\.').replace(/\\\.$/, '')}\\.`))
    }
  })
  test(`${place}: shows no control characters of the host`, async () => {
    host.answer = () => ({
      state: 'denied',
      reason: { code: 'x', text: 'a\u001b]0;b\u0007c\r\nd\u202ee' },
    })
    const terminal = await denied(/Denied: a \]0;b c d e\./)
    assert.ok(!terminal.shown.includes('\u001b]0;b'))
  })
  test(`${place}: denies an opening that is not to the letter, before anything is shown`, async () => {
    for (const change of [
      { code: '7QF3\u001b[A' },
      { url: 'https://evil.example/s/7QF3K2MD' },
      { origin: 'https://host.example\r\nevil' },
      { issuedAt: 'now' },
      { id: '../x' },
      { more: 1 },
    ]) {
      host.opening = (honest) => ({ ...honest, ...change })
      const terminal = ssh()
      await terminal.expect(/Denied: the host's answer cannot be read\./)
      assert.equal(await terminal.exit(), 255)
      assert.doesNotMatch(terminal.shown, /evil|wallet at/)
    }
  })
  test(`${place}: denies Enter after an approval from another browser and address`, async () => {
    host.answer = () => ({ state: 'needs-reply', triesLeft: 3 })
    const terminal = ssh()
    await terminal.prompt()
    terminal.type('\r')
    await terminal.expect(
      /Signed from another address or browser:\nthe page shows a reply code\. Paste it here \(3 tries left\): $/,
    )
    terminal.type('\r')
    await terminal.expect(/3 tries left\): $/)
    host.reply = () => ({
      state: 'denied',
      reason: { code: 'reply-wrong', text: 'Three wrong reply codes. Begin again.' },
    })
    terminal.type('0000-0000\r')
    await terminal.expect(/Denied: Three wrong reply codes\. Begin again\./)
    assert.equal(await terminal.exit(), 255)
  })
  test(`${place}: T4 denies when the host is unreachable`, async () => {
    await stand.setFacts({ ...host.facts, endpoint: '127.0.0.1:1' }, secret)
    const terminal = ssh()
    await terminal.expect(/Denied: host unreachable\./)
    assert.equal(await terminal.exit(), 255)
  })
  test(`${place}: T4 denies when the host goes away before the approval`, async () => {
    const other = await createLyingHost(stand.fingerprint)
    await stand.setFacts(other.facts, secret)
    const terminal = ssh()
    await terminal.prompt()
    await other.stop()
    terminal.type('\r')
    await terminal.expect(/Denied: host unreachable\./)
    assert.equal(await terminal.exit(), 255)
  })
  test(`${place}: T4 denies an endpoint with another key`, async () => {
    const other = await createLyingHost(stand.fingerprint)
    other.answer = (opened) => other.approve(opened)
    await stand.setFacts({ ...host.facts, endpoint: other.facts.endpoint }, secret)
    const terminal = ssh()
    await terminal.expect(/Denied: host unreachable \(another key answers at the login endpoint\)\./)
    assert.equal(await terminal.exit(), 255)
    assert.deepEqual(other.calls, [])
    await other.stop()
  })
  test(`${place}: denies a guest whose secret the host does not know`, async () => {
    await stand.setFacts(host.facts, 'cd'.repeat(32))
    const terminal = ssh()
    await terminal.expect(/Denied: This VM is not known here\./)
    assert.equal(await terminal.exit(), 255)
  })
  test(`${place}: A3 *Not me* ends the waiting login at once, before anybody presses Enter`, async () => {
    const way = await relay(stand.port)
    const terminal = new Terminal(way.port, { command: ['echo in as $(id -un)'] })
    const watched = host.watchers
    await terminal.prompt()
    await until(() => host.watchers > watched, 'the terminal to watch')
    const [opened] = host.opened
    assert.ok(opened)
    host.answer = (asked) => host.approve(asked)
    host.refuse(opened)
    await way.closedBySshd
    terminal.type('\r')
    assert.equal(await terminal.exit(), 255)
    assert.doesNotMatch(terminal.shown, /in as/)
    // what has ended waits at no place of sshd's any more, and the next login finds its own
    const next = ssh()
    await next.prompt()
    next.type('\r')
    await next.expect(/in as owner/)
    assert.equal(await next.exit(), 0)
    await until(async () => (await readdir(stand.sessions)).length === 0, 'its note to go')
    way.stop()
  })
  test(`${place}: denies other users without a word to the host`, async () => {
    for (const user of ['root', 'nobody', 'other']) {
      const terminal = ssh({ user })
      assert.equal(await terminal.exit(), 255)
      assert.doesNotMatch(terminal.shown, /Freehold sign-in/)
    }
    assert.deepEqual(host.calls, [])
  })
  test(`${place}: denies pasted control characters and asks again`, async () => {
    host.reply = () => assert.fail('sent to the host')
    const terminal = ssh()
    await terminal.prompt()
    terminal.type('7QF3\u001bK2MD\r')
    await terminal.expect(/That is no reply code/)
    // T3: Ctrl-C always leaves
    terminal.type('\u0003')
    assert.equal(await terminal.exit(), 130)
  })

  test(`${place}: T1 one prompt with all facts, ASCII, 80 columns, the URL alone on its line`, async () => {
    const terminal = ssh()
    const shown = (await terminal.prompt()).split('\n')
    const [opened] = host.opened
    const facts = shown.slice(shown.indexOf('(owner@127.0.0.1) ') + 1)
    assert.ok(opened)
    assert.deepEqual(facts, [
      'Freehold sign-in: owner on 4eff3c5b1f35-42, from 127.0.0.1',
      `Code ${opened.code}, issued ${opened.issuedAt.slice(11, 16)}, expires ${opened.expiresAt.slice(11, 16)} UTC. Approve with your wallet at:`,
      `  ${opened.url}`,
      'Press Enter when approved, or paste the reply code: ',
    ])
    assert.ok(facts.every((line) => line.length <= 80 && /^[\x20-\x7e]*$/.test(line)))
    terminal.stop()
  })
  test(`${place}: T2 after the approval one Enter opens the shell, and the session is noted`, async () => {
    host.answer = (opened) => host.approve(opened)
    const terminal = ssh({ command: [] })
    await terminal.prompt()
    terminal.type('\r')
    // T5
    await terminal.expect(
      /VM 4eff3c5b1f35-42, subscription until 2030-03-17\. Renew:\s+https:\/\/host\.example\/vms\/4eff3c5b1f35-42\n/,
    )
    await terminal.expect(/[$#] $/)
    assert.deepEqual(
      host.calls.map((call) => call.replace(/[0-9a-f]{32}/, 'ID')),
      ['POST /guest/v1/login-requests', 'GET /guest/v1/login-requests/ID'],
    )
    assert.equal((await readdir(stand.sessions)).length, 1)
    terminal.type('exit\r')
    assert.equal(await terminal.exit(), 0)
    // the client is gone a moment before sshd has closed the session
    await until(async () => (await readdir(stand.sessions)).length === 0, 'its note to go')
  })
  test(`${place}: an approval that comes late opens at the next Enter`, async () => {
    const terminal = ssh()
    await terminal.prompt()
    terminal.type('\r')
    await terminal.expect(/Not approved yet\. Press Enter when approved, or paste the reply code: $/)
    host.answer = (opened) => host.approve(opened)
    terminal.type('\r')
    await terminal.expect(/in as owner/)
    assert.equal(await terminal.exit(), 0)
  })
  test(`${place}: T2 the reply code opens at the same prompt, in any spelling`, async () => {
    const codes: string[] = []
    host.reply = (opened, code) => {
      codes.push(code)
      return codes.length === 1 ? { state: 'needs-reply', triesLeft: 2 } : host.approve(opened)
    }
    const terminal = ssh()
    await terminal.prompt()
    terminal.type('aaaabbbb\r')
    await terminal.expect(/That reply code does not fit\. Signed from another address or browser:\n.*2 tries left\): $/)
    terminal.type(' abcdefg o\r')
    await terminal.expect(/in as owner/)
    assert.equal(await terminal.exit(), 0)
    assert.deepEqual(codes, ['AAAA-BBBB', 'ABCD-EFG0'])
  })
  test(`${place}: a wallet with code is vouched for by the host alone`, async () => {
    host.answer = (opened) => host.approve(opened, { statement: { verifiedBy: 'erc1271' }, signature: () => '0x1234' })
    const terminal = ssh()
    await terminal.prompt()
    terminal.type('\r')
    await terminal.expect(/in as owner/)
    assert.equal(await terminal.exit(), 0)
  })
  test(`${place}: leaves no file of a session behind`, async () => {
    assert.deepEqual(await readdir(join(stand.sessions)), [])
  })
}
