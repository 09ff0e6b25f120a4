import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, test } from 'node:test'
import { promisify } from 'node:util'
import type { ChildProcess } from 'node:child_process'
import { holder, stranger, type LyingHost } from './lying-host.ts'
import { lyingStand } from './lying-stand.ts'
import { ended, hasNoLoginUid, until, type Stand } from './stand.ts'
import { Terminal } from './terminal.ts'

const run = promisify(execFile)
const active = { holder: holder.address.toLowerCase(), activeUntil: 1_900_000_000, blockNumber: 1, reason: null }
let stand: Stand
let host: LyingHost
let watch: ChildProcess
lyingStand((made, honest) => ([stand, host] = [made, honest]))
beforeEach(() => {
  host.answer = (opened) => host.approve(opened)
  host.presence = active
  watch = stand.startWatch()
})

async function signedIn(): Promise<Terminal> {
  const terminal = new Terminal(stand.port)
  await terminal.prompt()
  terminal.type('\r')
  await terminal.expect(/[$#] $/)
  return terminal
}
const polls = () => host.calls.filter((call) => call.startsWith('GET /guest/v1/presence')).length
async function morePolls(): Promise<void> {
  const seen = polls()
  await until(() => polls() > seen + 1, 'the watch to ask again')
}
/** Seconds to wait for the end of sessions. T6 promises 30: measured where nothing else runs, in watch-under-load.int.test.ts. */
const bound = 120
async function endsInTime(terminals: readonly Terminal[], line: RegExp, change: () => void): Promise<void> {
  await morePolls()
  change()
  for (const terminal of terminals) {
    await terminal.expect(line, bound)
    assert.notEqual(await terminal.exit(), 0)
  }
}
async function stopWatch(): Promise<void> {
  watch.kill('SIGTERM')
  await ended(watch)
}

test('T6 a session stands while holder and entitlement stand, and while the host is silent', async () => {
  const terminal = await signedIn()
  await morePolls()
  host.presence = undefined
  await morePolls()
  host.presence = { ...active, activeUntil: 1_900_086_400 }
  await morePolls()
  terminal.type('echo still $((1+1))\r')
  await terminal.expect(/still 2/)
  terminal.type('exit\r')
  assert.equal(await terminal.exit(), 0)
  await stopWatch()
})
test('T6 ends the session of a former holder and says why', async () => {
  const terminal = await signedIn()
  terminal.type('sleep 1000\r')
  await morePolls()
  host.presence = { ...active, holder: stranger.address.toLowerCase() }
  await terminal.expect(/Freehold: signed out: the access pass has moved to another wallet\./)
  assert.notEqual(await terminal.exit(), 0)
  await stopWatch()
})
test('T6 ends sessions when the subscription is over and says why', async () => {
  const terminal = await signedIn()
  await morePolls()
  host.presence = {
    ...active,
    activeUntil: null,
    reason: { code: 'not-entitled', text: 'The subscription ended on 2026-11-20.' },
  }
  await terminal.expect(/Freehold: signed out: The subscription ended on 2026-11-20\./)
  assert.notEqual(await terminal.exit(), 0)
  await stopWatch()
})

test('T6 ends terminal sessions of wallet, certificate and plain key alike when the pass moves, and says why in each', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-watch-'))
  const key = join(folder, 'key')
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', key])
  const plain = join(folder, 'plain')
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', plain])
  await run('ssh-keygen', [
    '-q',
    '-s',
    stand.userCa,
    '-I',
    'ab'.repeat(16),
    '-n',
    'vm:4eff3c5b1f35:42:1',
    '-V',
    '-5m:+10m',
    `${key}.pub`,
  ])
  await run('cp', [`${plain}.pub`, stand.authorizedKeys])
  const sessions = [await signedIn()]
  for (const identity of [key, plain]) {
    const terminal = new Terminal(stand.port, { args: ['-i', identity, '-o', 'PreferredAuthentications=publickey'] })
    await terminal.expect(/[$#] $/)
    sessions.push(terminal)
  }
  assert.equal((await readdir(stand.sessions)).filter((name) => /^\d+$/.test(name)).length, 3)
  await endsInTime(sessions, /Freehold: signed out: the access pass has moved to another wallet\./, () => {
    host.presence = { ...active, holder: stranger.address.toLowerCase() }
  })
  await rm(stand.authorizedKeys)
  await rm(folder, { recursive: true })
  await stopWatch()
})
test('T6 ends a forwarding that has no terminal when the pass moves', async () => {
  const terminal = new Terminal(stand.port, { args: ['-N', '-o', 'PubkeyAuthentication=no'] })
  await terminal.prompt()
  terminal.type('\r')
  await until(async () => (await readdir(stand.sessions)).length === 1, 'the session to be noted')
  await morePolls()
  host.presence = { ...active, holder: stranger.address.toLowerCase() }
  assert.notEqual(await terminal.exit(), 0)
  await stopWatch()
})
test('T6 ends a session after its longest time, while the host is silent, and says why', async () => {
  const terminal = await signedIn()
  await morePolls()
  host.presence = undefined
  await writeFile(join(stand.config, 'session-seconds'), '1\n', { mode: 0o644 })
  await terminal.expect(/Freehold: signed out: a session lasts at most 1 second\. Sign in again\./, bound)
  assert.notEqual(await terminal.exit(), 0)
  await rm(join(stand.config, 'session-seconds'))
  await stopWatch()
})
test('T6 no setting makes a session longer than 12 hours, and one that others may write changes nothing', async () => {
  const file = join(stand.config, 'session-seconds')
  const terminal = await signedIn()
  for (const [text, mode] of [
    ['999999', 0o644],
    ['forever', 0o644],
    ['1', 0o666],
  ] as const) {
    await rm(file, { force: true })
    await writeFile(file, text)
    await run('chmod', [mode.toString(8), file])
    // it looks first thing
    await stopWatch()
    watch = stand.startWatch()
    await morePolls()
  }
  terminal.type('echo still $((1+1))\r')
  await terminal.expect(/still 2/)
  terminal.stop()
  await rm(file)
  await stopWatch()
})
test('T6 ends what detached itself from a former session, also from one that was over before the pass moved', async () => {
  assert.ok(await hasNoLoginUid(), 'run this outside of a login: the kernel numbers logins once')
  const detached = async () => {
    const terminal = await signedIn()
    terminal.type('setsid -f sleep 98765; nohup sleep 98765 > /dev/null 2>&1 &\r')
    terminal.type('exit\r')
    assert.equal(await terminal.exit(), 0)
  }
  const left = async () => {
    const child = stand.join('pgrep', ['-c', '-f', '^sleep 98765'])
    let count = ''
    child.stdout?.on('data', (data: Buffer) => (count += data.toString()))
    await ended(child)
    return Number(count)
  }
  await detached()
  assert.equal(await left(), 2, 'they outlive their session')
  await morePolls()
  assert.equal(await left(), 2, 'and stand while the pass stays')
  host.presence = { ...active, holder: stranger.address.toLowerCase() }
  await until(async () => (await left()) === 0, 'what was left to end', bound)
  // the new holder's own stand
  host.answer = (opened) => host.approve(opened, { wallet: stranger })
  await detached()
  await morePolls()
  assert.equal(await left(), 2)
  await stopWatch()
})
test('T6 a watch that was not there when the pass moved ends the former sessions when it is back', async () => {
  const terminal = await signedIn()
  await morePolls()
  await stopWatch()
  host.presence = { ...active, holder: stranger.address.toLowerCase() }
  watch = stand.startWatch()
  await terminal.expect(/signed out: the access pass has moved/, bound)
  assert.notEqual(await terminal.exit(), 0)
  await stopWatch()
})
