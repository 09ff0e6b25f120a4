import assert from 'node:assert/strict'
import { test } from 'node:test'
import { secret, type LyingHost } from './lying-host.ts'
import { lyingStand } from './lying-stand.ts'
import { ended, until, type Stand } from './stand.ts'
import { Terminal } from './terminal.ts'

// What a client may send in a person's name: login names and pasted text. Signatures of every shape stand in attacks.int.test.ts,
// two logins for one code and a changed public certificate in relays.int.test.ts; a real guest's wrong clock in guest.vm.test.ts.
let stand: Stand
let host: LyingHost
lyingStand((made, honest) => ([stand, host] = [made, honest]))

for (const [name, user] of [
  ['a blank', 'owner '],
  ['5,000 characters', 'o'.repeat(5000)],
  ['another alphabet', 'öwner'],
] as const) {
  test(`denies a login name with ${name}, before a word to the host`, async () => {
    const logged = stand.log().length
    const terminal = new Terminal(stand.port, { args: ['-o', 'PubkeyAuthentication=no', '-l', user], user })
    assert.equal(await terminal.exit(), 255)
    assert.match(stand.log().slice(logged), /Invalid user /)
    assert.doesNotMatch(terminal.shown, /Freehold sign-in/)
    assert.deepEqual(host.calls, [])
  })
}
// OpenSSH's client sends none of these; another one does. pamtester hands them to the module as they are.
for (const [name, user] of [
  ['a line break', 'owner\r\nroot'],
  ['a line break at its end', 'owner\n'],
  ['an escape sequence', 'owner\u001b]0;x\u0007'],
  ['a shell word', '$(id)'],
  ['a path', '../owner'],
] as const) {
  test(`denies a login name with ${name} at the module, telling nothing`, async () => {
    const child = stand.join('pamtester', ['-I', 'rhost=203.0.113.7', 'freehold-sshd', user, 'authenticate'])
    let shown = ''
    child.stdout?.on('data', (data: Buffer) => (shown += data.toString()))
    child.stderr?.on('data', (data: Buffer) => (shown += data.toString()))
    child.stdin?.end('\n')
    await ended(child)
    assert.notEqual(child.exitCode, 0)
    assert.match(shown, /Denied: denied\./)
    assert.deepEqual(host.calls, [])
  })
}
for (const [name, text] of [
  ['a control character', '7QF3\u0001K2MD'],
  ['an escape sequence', '\u001b[31m7QF3-K2MD'],
  ['600 characters', 'A'.repeat(600)],
  ['another alphabet', '７ＱＦ３-Ｋ２ＭＤ'],
  ['a signature', `0x${'ab'.repeat(65)}`],
  ['a private key', `0x${'11'.repeat(32)}`],
] as const) {
  test(`denies pasted text that is ${name}: it is not sent to the host, and not logged`, async () => {
    host.reply = () => assert.fail('sent to the host')
    const terminal = new Terminal(stand.port, { command: ['echo in as $(id -un)'] })
    await terminal.prompt()
    terminal.type(`${text}\r`)
    await terminal.expect(/That is no reply code|Denied: /)
    terminal.stop()
    assert.deepEqual(host.calls, ['POST /guest/v1/login-requests'])
    assert.ok(!stand.log().includes(text) && !stand.log().includes(secret))
  })
}

// What a host may say in the place of words: nothing of it may act upon the terminal, or stand as a line of its own.
const evil = 'a\u001b]0;owned\u0007\u009b31m\r\n[trusted] b\u202e\u0000c'
const words: [string, () => void][] = [
  ['the reason of a denial', () => (host.answer = () => ({ state: 'denied', reason: { code: evil, text: evil } }))],
  ['what it says of a reply code', () => (host.answer = () => ({ state: 'needs-reply', triesLeft: 3, note: evil }))],
  ['a refusal to begin', () => (host.opening = () => ({ code: evil, detail: evil }))],
  ...['id', 'code', 'url', 'origin', 'issuedAt', 'expiresAt'].map((field): [string, () => void] => [
    `the ${field} of a sign-in`,
    () => (host.opening = (honest) => ({ ...honest, [field]: evil })),
  ]),
]
for (const [name, says] of words) {
  test(`denies a host that puts escape sequences and line breaks into ${name}, and shows none of them`, async () => {
    says()
    const terminal = new Terminal(stand.port, { command: ['echo in as $(id -un)'] })
    await terminal.expect(/paste the reply code: $|Denied: /)
    terminal.type('\r')
    assert.equal(await terminal.exit(), 255)
    assert.match(terminal.shown, /Denied: /)
    assert.doesNotMatch(terminal.shown, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
    assert.doesNotMatch(terminal.shown, /^\[trusted\]/m)
    // sshd writes what is no ASCII in octal: the log's own lines are not the host's either
    assert.doesNotMatch(stand.log(), /^\[trusted\]|\u001b/m)
  })
}
for (const [name, ahead] of [
  ['ahead', -365 * 86_400],
  ['behind', 365 * 86_400],
] as const) {
  test(`a clock of the guest that is a year ${name} of its host's changes nothing: the guest compares no wall clocks`, async () => {
    host.ahead = ahead
    host.answer = (opened) => host.approve(opened)
    const terminal = new Terminal(stand.port, { command: ['echo in as $(id -un)'] })
    await terminal.prompt()
    const wrong = Math.abs(Date.parse(host.opened[0]?.issuedAt ?? '') - Date.now())
    assert.ok(wrong > 364 * 86_400_000, 'the clocks were apart')
    terminal.type('\r')
    await terminal.expect(/in as owner/)
    assert.equal(await terminal.exit(), 0)
  })
}
test('a refusal on the page ends a connection of sshd and nothing else: under another program its parent lives on', async () => {
  const child = stand.join('sh', ['-c', 'pamtester -I rhost=203.0.113.7 freehold-sshd owner authenticate; echo parent-lives'])
  let shown = ''
  child.stdout?.on('data', (data: Buffer) => (shown += data.toString()))
  child.stderr?.on('data', (data: Buffer) => (shown += data.toString()))
  await until(() => host.opened.length === 1, 'the sign-in')
  const [opened] = host.opened
  assert.ok(opened)
  host.refuse(opened)
  host.answer = () => ({ state: 'denied', reason: { code: 'refused', text: 'Refused on the sign-in page.' } })
  child.stdin?.end('\n')
  await ended(child)
  assert.match(shown, /Denied: Refused on the sign-in page\.[^]*parent-lives/)
  assert.equal(host.watchers, 0, 'it did not even ask')
})
