import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import getPort from 'get-port'
import { bootTemplate, guestMac, makeSeed, type BootedGuest } from '../../template-vm/boot.ts'
import { builtTemplate } from '../../template-vm/checks/built-template.ts'
import { createLyingHost, holder, secret, stranger, token, type LyingHost } from './lying-host.ts'
import { ended, until } from './stand.ts'
import { Terminal } from './terminal.ts'

// The whole life of a guest on an emulated machine, in one boot: seed, report, sign-in, tools by certificate, what `freehold verify`
// says of it, the serial console while everything else is down, and the end of all sessions. FREEHOLD_ALL=1 adds a wrong clock and
// the tools that are rarer than scp and git: each costs seconds of an emulated CPU.
const all = process.env['FREEHOLD_ALL'] === '1'
const run = promisify(execFile)
let folder: string
let host: LyingHost
let guest: BootedGuest
let port: number
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-guest-'))
  host = await createLyingHost('')
  for (const name of ['ca', 'key']) await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', join(folder, name)])
  const ca = (await readFile(join(folder, 'ca.pub'), 'utf8')).trim()
  const endpoint = host.facts.endpoint.replace('127.0.0.1', '10.0.2.2')
  const seedIso = await makeSeed(join(folder, 'seed.iso'), {
    'meta-data': JSON.stringify({ 'instance-id': 'freehold:4eff3c5b1f35/42/1', 'local-hostname': 'vm-42' }),
    'network-config': JSON.stringify({
      version: 2,
      ethernets: { eth0: { match: { macaddress: guestMac }, dhcp4: true, dhcp6: false, 'accept-ra': true } },
    }),
    'freehold.json': JSON.stringify({ version: 1, ...host.facts, endpoint, userCa: ca, token }),
  })
  const { image } = await builtTemplate()
  port = await getPort({ host: '127.0.0.1' })
  guest = await bootTemplate({ image, seedIso, memoryMiB: 512, vcpus: 1, port, diskGiB: 3 })
})
after(async () => {
  await guest?.stop()
  await host?.stop()
  await rm(folder, { recursive: true, force: true })
})

test('the guest reports the host key that its sshd shows', async () => {
  await until(() => host.reports.length > 0, 'the report', 60)
  assert.equal(host.reports.length, 1)
  await until(() => host.calls.some((call) => call.startsWith('GET /guest/v1/presence')), 'the first presence', 120)
})
const active = { holder: holder.address.toLowerCase(), activeUntil: 1_900_000_000, blockNumber: 1, reason: null }

/** A terminal of the holder's, signed in by wallet, at its shell's prompt. */
async function signedIn(): Promise<Terminal> {
  host.answer = (opened) => host.approve(opened)
  host.presence = active
  const terminal = new Terminal(port)
  await terminal.expect(/paste the reply code: $/, 60)
  terminal.type('\r')
  await terminal.expect(/VM 4eff3c5b1f35-42, subscription until/, 60)
  await terminal.expect(/\$ $/, 60)
  return terminal
}
let shell: Terminal
async function answers(command: string, text: RegExp): Promise<void> {
  shell.type(`${command}\r`)
  await shell.expect(text, 90)
}

test('the guest signs its holder in and is as its seed says', async (t) => {
  shell = await signedIn()
  await answers('hostname; echo host:$?', /vm-42\n.*host:0/s)
  await answers('sudo cat /etc/freehold/secret; echo; echo secret:$?', new RegExp(`${secret}[^]*secret:0`))
  await answers(
    'until [ -e /run/freehold/presence.json ]; do sleep 1; done; ls /run/freehold | cat; echo list:$?',
    /\npresence\.json\nsessions\nlist:0/,
  )
  await answers('grep -c cd /etc/freehold/guest.json; echo token:$?', /0\n.*token:1/s)
  await answers('until [ $(df --output=size -m / | tail -n 1) -gt 2500 ]; do sleep 1; done; echo grown:$?', /grown:0/)
  await answers('sudo sshd -T | grep -i persourcemaxstartups; echo sources:$?', /persourcemaxstartups none[^]*sources:0/)
  await answers('systemctl --failed --no-legend --plain; echo failed:$?', /failed:0/)
  // grow is over a moment after the file system has grown
  await answers(
    'until systemctl -q is-active freehold-watch && systemctl -q is-active freehold-boot && systemctl -q is-active freehold-grow; do sleep 1; done; echo units:$?',
    /units:0/,
  )
  t.diagnostic(shell.shown)
})
test('T11 verify proves the running guest, clock and reach included', async (t) => {
  await answers('sudo freehold verify; echo verify:$?', /Nothing failed\.\n[^]*verify:0/)
  t.diagnostic(shell.shown.slice(-1500))
  assert.doesNotMatch(shell.shown.slice(-1500), /^(failed|warning) /m)
})

/** Arguments of ssh and its friends for a login by certificate; nobody is asked anything, as in an unattended job. */
const login = () =>
  [
    ['-F', 'none'],
    ['-i', join(folder, 'key')],
    ['-o', 'BatchMode=yes'],
    ['-o', 'IdentitiesOnly=yes'],
    ['-o', 'IdentityAgent=none'],
    ['-o', 'StrictHostKeyChecking=no'],
    ['-o', `UserKnownHostsFile=${join(folder, 'known_hosts')}`],
    ['-o', 'ConnectTimeout=60'],
  ].flat()
const there = 'owner@127.0.0.1'
const tool = async (program: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> => {
  const { stdout } = await run(program, [...args], { timeout: 120_000, env: { ...process.env, ...env } })
  return stdout
}
const ssh = (...command: string[]) => tool('ssh', ['-p', String(port), ...login(), there, ...command])
const certify = async () =>
  await run('ssh-keygen', [
    ...['-q', '-s', join(folder, 'ca'), '-I', 'ab'.repeat(16), '-n', 'vm:4eff3c5b1f35:42:1', '-V', '-5m:+10m'],
    join(folder, 'key.pub'),
  ])

test('L9 scp carries a file there and back by certificate', async () => {
  await certify()
  const bytes = Buffer.alloc(200_000, 'freehold')
  await writeFile(join(folder, 'sent'), bytes)
  await tool('scp', ['-P', String(port), ...login(), join(folder, 'sent'), `${there}:carried`])
  await tool('scp', ['-P', String(port), ...login(), `${there}:carried`, join(folder, 'back')])
  assert.ok((await readFile(join(folder, 'back'))).equals(bytes))
})
test('L9 git pushes over ssh by certificate', async () => {
  const work = join(folder, 'work')
  const git = (...args: string[]) =>
    tool('git', ['-C', work, '-c', 'user.name=a', '-c', 'user.email=a@b.example', ...args], {
      GIT_SSH_COMMAND: ['ssh', ...login()].join(' '),
    })
  await ssh('git init -q --bare repo.git')
  await tool('git', ['init', '-q', work])
  await writeFile(join(work, 'file'), 'text\n')
  await git('add', 'file')
  await git('commit', '-q', '-m', 'first')
  const remote = `ssh://${there}:${port}/home/owner/repo.git`
  await git('push', '-q', remote, 'HEAD:refs/heads/main')
  const [head, listed] = [await git('rev-parse', 'HEAD'), await git('ls-remote', remote, 'refs/heads/main')]
  assert.equal(listed.split('\t')[0], head.trim())
})
if (all) {
  /** The same as words of a file, for all its hosts. */
  const always = () => [
    'Host *',
    '  User owner',
    '  HostName 127.0.0.1',
    `  IdentityFile ${join(folder, 'key')}`,
    `  UserKnownHostsFile ${join(folder, 'known_hosts')}`,
    '  BatchMode yes',
    '  IdentitiesOnly yes',
    '  IdentityAgent none',
    '  StrictHostKeyChecking no',
    '  ConnectTimeout 60',
  ]
  const listens = (at: number) =>
    new Promise<boolean>((done) => {
      const socket = connect({ host: '127.0.0.1', port: at })
      socket.once('connect', () => done(true)).once('error', () => done(false))
      socket.once('connect', () => socket.destroy())
    })
  test('L9 sftp, rsync, a jump (-J) and a local forwarding (-L) by certificate', async () => {
    await certify()
    await writeFile(join(folder, 'batch'), `put ${join(folder, 'sent')} by-sftp\n`)
    await tool('sftp', ['-P', String(port), '-b', join(folder, 'batch'), ...login(), there])
    await tool('rsync', ['-e', ['ssh', '-p', String(port), ...login()].join(' '), join(folder, 'sent'), `${there}:by-rsync`])
    assert.match(await ssh('cmp carried by-sftp && cmp carried by-rsync && echo same'), /^same$/m)
    // ssh hands its own file of settings to the jump, and none of its other words
    const settings = join(folder, 'settings')
    const local = await getPort({ host: '127.0.0.1' })
    // the guest is its own far end: what runs inside the first connection arrives at its port 22 again
    const jumps = ['Host jump', `  Port ${port}`, 'Host inside', '  Port 22', '  HostKeyAlias inside']
    const forwarded = ['Host forwarded', `  Port ${local}`, '  HostKeyAlias inside']
    await writeFile(settings, `${[...jumps, ...forwarded, ...always()].join('\n')}\n`)
    const far = (...words: string[]) => tool('ssh', ['-F', settings, ...words])
    assert.match(await far('-J', 'jump', 'inside', 'echo "jumped $SSH_CONNECTION"'), /^jumped 127\.0\.0\.1 \d+ 127\.0\.0\.1 22$/m)

    const forwarding = spawn(
      'ssh',
      ['-F', settings, '-N', '-o', 'ExitOnForwardFailure=yes', '-L', `127.0.0.1:${local}:127.0.0.1:22`, 'jump'],
      { stdio: 'ignore' },
    )
    try {
      await until(() => forwarding.exitCode !== null || listens(local), 'the forwarding to listen', 90)
      assert.equal(forwarding.exitCode, null)
      assert.match(await far('forwarded', 'echo "forwarded $SSH_CONNECTION"'), /^forwarded 127\.0\.0\.1 \d+ 127\.0\.0\.1 22$/m)
    } finally {
      forwarding.kill()
      await ended(forwarding)
    }
  })
}
// that a year between both clocks changes nothing is shown by default at this machine's sshd (bad-input.int.test.ts)
if (all) {
  test('the guest signs in with a clock that is wrong by a year: it compares no wall clocks', async () => {
    await answers('sudo date -s "+1 year" > /dev/null; date +year:%Y; echo clock:$?', /year:20\d\d[^]*clock:0/)
    const terminal = await signedIn()
    terminal.type('exit\r')
    assert.equal(await terminal.exit(), 0)
    // verify says so, as a warning
    await answers('sudo freehold verify; echo verify:$?', /warning {2}clock[^]*Nothing failed\.\n[^]*verify:0/)
    await answers('sudo date -s "-1 year" > /dev/null; echo clock:$?', /clock:0/)
  })
}

/** The serial line, as the host's console shows it. */
async function serial(): Promise<{ line: Socket; expect: (text: RegExp) => Promise<void>; close: () => void }> {
  const line = connect(guest.serialSocket)
  await once(line, 'connect')
  let shown = ''
  line.on('data', (data: Buffer) => (shown += data.toString('latin1')))
  const expect = (text: RegExp) => until(() => text.test(shown), `${text} on the serial line:\n${shown.slice(-2000)}`, 90)
  return { line, expect, close: () => line.destroy() }
}
test('break-glass: ttyS0 logs the owner in while PAM module, network and login endpoint are down', async () => {
  const module = '/usr/lib/x86_64-linux-gnu/security/pam_web3.so'
  const { line, expect, close } = await serial()
  const say = async (command: string, text: RegExp) => {
    line.write(`${command}\r`)
    await expect(text)
  }
  line.write('\r')
  await say('echo on:$(tty):$(id -un)', /on:\/dev\/ttyS0:owner/)
  await say(`sudo mv ${module} /root/ && sudo ip link set eth0 down; echo down:$((40+2))`, /down:42/)
  const calls = host.calls.length
  // it struck: nobody comes in by ssh, and no watch reaches the host
  // the first value wins
  const soon = ['-o', 'ConnectTimeout=3', ...login()]
  await assert.rejects(run('ssh', ['-p', String(port), ...soon, there, 'true'], { timeout: 30_000 }))
  await say('sudo freehold verify; echo broken:$?', /failed +module[^]*failed +reach[^]*broken:1/)
  assert.equal(host.calls.length, calls)
  await say(`sudo mv /root/pam_web3.so ${module} && sudo ip link set eth0 up; echo up:$((40+3))`, /up:43/)
  close()
})
test('T6 when the pass moves all sessions end with a line that says why, and what they left behind', async () => {
  await until(async () => (await ssh('true').catch(() => undefined)) !== undefined, 'the network to be back', 90)
  const last = await signedIn()
  last.type('setsid -f sleep 98765; nohup sudo sleep 98765 > /dev/null 2>&1 & echo left:$?\r')
  await last.expect(/left:0/)
  host.presence = { ...active, holder: stranger.address.toLowerCase(), blockNumber: 2 }
  const moved = performance.now()
  await last.expect(/Freehold: signed out: the access pass has moved to another wallet\./, 120)
  assert.notEqual(await last.exit(), 0)
  // a bound in time is measured where nothing else runs
  if (all) assert.ok(performance.now() - moved < 30_000)
  host.answer = (opened) => host.approve(opened, { wallet: stranger })
  const next = new Terminal(port)
  await next.expect(/paste the reply code: $/, 60)
  next.type('\r')
  await next.expect(/\$ $/, 60)
  // what is asked to end politely may take a moment; the promise is 30 s
  next.type(
    'for i in $(seq 25); do pgrep -f "^sleep 9876[5]" > /dev/null || break; sleep 1; done; pgrep -f "^sleep 9876[5]"; echo found:$?\r',
  )
  await next.expect(/found:1/, 60)
  next.stop()
  shell.stop()
})
