import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { chmod, copyFile, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import getPort from 'get-port'

const run = promisify(execFile)
/** Where a stand of this machine sees the package's programs. */
const ownPrograms = '/run/freehold-programs'
const repository = resolve(import.meta.dirname, '../..')

/** What a guest knows, as its seed says it. */
export interface GuestFacts {
  endpoint: string
  spkiSha256: string
  statementKey: string
  chainId: number
  contract: string
  tokenId: string
  generation: number
}

/** A place with a real sshd, the real module and the guest's files. Needs root. */
export interface Stand {
  /** Loopback port of sshd. */
  readonly port: number
  /** Folder of `guest.json` and `secret`, as seen from outside. */
  readonly config: string
  /** Public host key line. */
  readonly hostKey: string
  /** `SHA256:…` of it. */
  readonly fingerprint: string
  /** Path of the private key of the CA whose user certificates sshd accepts. */
  readonly userCa: string
  /** Folder of the notes of open sessions, as seen from outside. */
  readonly sessions: string
  /** Where `authorized_keys` of `owner` is read, as seen from outside. */
  readonly authorizedKeys: string
  /** Writes the facts and the secret with the right modes. */
  setFacts(facts: GuestFacts, secret: string): Promise<void>
  /** Starts a program beside sshd, in its namespaces; the caller ends it. */
  join(program: string, args: readonly string[], env?: Record<string, string>): ChildProcess
  /** Starts a program in a stand like this one, of its own; the caller ends it. */
  start(program: string, args: readonly string[], env?: Record<string, string>): ChildProcess
  /** Starts `freehold-guest watch` upon this stand's files; `stop` ends it. */
  startWatch(): ChildProcess
  /** What sshd has logged so far. */
  log(): string
  stop(): Promise<void>
}

/** The package's files, unpacked: built on the first call, out of the cache afterwards. */
export async function unpackedPackage(into: string): Promise<void> {
  const { stdout } = await run(join(repository, 'scripts/build-pam-web3.sh'), [], { timeout: 900_000 })
  await run('dpkg-deb', ['-x', stdout.trim(), into], { timeout: 60_000 })
}

/**
 * Makes a stand. Without `rootTar` it runs this machine's sshd with `owner` and the module's PAM stack seen by it alone; with it,
 * the guest's own sshd (Debian 13) with the package's own configuration, in its own root. `options` are sshd's, such as
 * `PerSourceMaxStartups=10`.
 */
export async function createStand(rootTar?: string, options: readonly string[] = []): Promise<Stand> {
  if (process.getuid?.() !== 0) throw new Error('these tests need root: sshd starts sessions of other users')
  const work = await mkdtemp(join(tmpdir(), 'freehold-sshd-'))
  await chmod(work, 0o755)
  const at = rootTar === undefined ? await prepareMachine(work) : await prepareRoot(work, rootTar)
  const port = await getPort({ host: '127.0.0.1' })
  const children = new Set<ChildProcess>()
  let log = ''

  const child = (program: string, args: readonly string[], env: Record<string, string> = {}): ChildProcess => {
    const started = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: process.env['PATH'], ...env } })
    children.add(started)
    started.on('exit', () => children.delete(started))
    return started
  }
  const inStand = [join(import.meta.dirname, 'in-stand.sh'), at.kind, work]
  // processes of the stand see and end nothing but one another, and all of them go with their sshd
  const unshared = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--', ...inStand]
  const start: Stand['start'] = (program, args, env) => child('unshare', [...unshared, program, ...args], env)

  const sshd = start(at.sshd, [
    '-D',
    '-e',
    '-o',
    'LogLevel=VERBOSE',
    '-o',
    `ListenAddress=127.0.0.1:${port}`,
    ...options.flatMap((o) => ['-o', o]),
    ...at.sshdArguments,
  ])
  sshd.stderr?.on('data', (data: Buffer) => (log += data.toString()))
  const stand: Stand = {
    port,
    config: at.config,
    hostKey: at.hostKey,
    fingerprint: at.fingerprint,
    userCa: join(work, 'ca'),
    authorizedKeys: at.authorizedKeys,
    sessions: at.sessions,
    async setFacts(facts, secret) {
      // a mode counts only for a file that is made
      await rm(join(at.config, 'guest.json'), { force: true })
      await writeFile(join(at.config, 'guest.json'), JSON.stringify({ version: 1, ...facts }), { mode: 0o644 })
      await rm(join(at.config, 'secret'), { force: true })
      await writeFile(join(at.config, 'secret'), secret, { mode: 0o600 })
    },
    start,
    startWatch: () => stand.join(at.guest, ['watch'], at.watchEnvironment),
    join: (program, args, env) => {
      const of = `/proc/${sshd.pid}/ns`
      const joined = [`--mount=${of}/mnt`, `--pid=${of}/pid_for_children`, 'setpriv', '--pdeathsig', 'KILL']
      return child('nsenter', [...joined, ...at.enter, program, ...args], env)
    },
    log: () => log,
    async stop() {
      // unshare waits deaf for its child, which the kernel ends with it
      for (const child of children) child.kill('SIGKILL')
      await Promise.all([...children].map((child) => ended(child)))
      await rm(work, { recursive: true, force: true })
    },
  }
  try {
    await until(async () => sshd.exitCode !== null || (await answers(port)), 'sshd to answer')
    if (sshd.exitCode !== null) throw new Error(`sshd ended:\n${log}`)
    return stand
  } catch (error) {
    await stand.stop()
    throw error
  }
}

/** Waits for a condition. @throws after a minute by default, naming what was waited for. */
export async function until(condition: () => boolean | Promise<boolean>, what: string, seconds = 60): Promise<void> {
  const end = performance.now() + seconds * 1000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`)
    await delay(20)
  }
}

/** Resolves when a child has ended. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await new Promise((done) => child.once('exit', done))
}

interface Prepared {
  kind: 'machine' | 'root'
  sshd: string
  sshdArguments: string[]
  guest: string
  config: string
  hostKey: string
  fingerprint: string
  authorizedKeys: string
  sessions: string
  watchEnvironment: Record<string, string>
  /** What leads from sshd's namespaces to its root. */
  enter: string[]
}

async function prepareMachine(work: string): Promise<Prepared> {
  const path = (...names: string[]) => join(work, ...names)
  await Promise.all(['etc', 'freehold', 'home'].map((name) => mkdir(path(name), { mode: 0o755 })))
  await unpackedPackage(path('package'))
  for (const [file, line] of [
    ['passwd', `owner:x:1000:1000::${path('home')}:/bin/sh`],
    ['shadow', 'owner:!:20000:0:99999:7:::'],
    ['group', 'owner:x:1000:'],
  ] as const) {
    const kept = (await readFile(`/etc/${file}`, 'utf8'))
      .split('\n')
      .filter((l) => l !== '' && !/^[^:]*:[^:]*:1000:|^owner:/.test(l))
    await writeFile(path('etc', file), `${[...kept, line].join('\n')}\n`)
  }
  await cp('/etc/pam.d', path('etc/pam.d'), { recursive: true })
  const library = path('package/usr/lib/x86_64-linux-gnu/security/pam_web3.so')
  const own = `config=${path('freehold')} sessions=${path('sessions')}`
  const module = `${library} ${own} hostkey=${path('hostkey.pub')}`
  const stack = await readFile(path('package/etc/pam.d/freehold-sshd'), 'utf8')
  // this sshd takes its service's name from its program's
  await writeFile(path('etc/pam.d/freehold-sshd'), await withoutTakenLoginUid(stack.replaceAll('pam_web3.so', module)))
  await writeFile(path('etc/pam.d/freehold-short'), `auth required ${module} life=1\n`)
  await copyFile('/usr/sbin/sshd', path('freehold-sshd'))
  const keys = await makeKeys(work, path('hostkey'))
  const drop = await readFile(path('package/etc/ssh/sshd_config.d/10-freehold.conf'), 'utf8')
  const config = drop
    .replace(/^(PAMServiceName|PerSourcePenalties) .*$/gm, '')
    .replace('/etc/ssh/ssh_host_ed25519_key', path('hostkey'))
    .replaceAll('/etc/freehold', path('freehold'))
    // sshd runs a command only out of folders that nobody but root may write; in-stand.sh lays the package's programs there
    .replace('/usr/sbin/freehold-guest principals %u %i', `${ownPrograms}/freehold-guest principals %u %i ${own}`)
  await writeFile(
    path('sshd_config'),
    `${config}\nAuthorizedKeysFile ${path('authorized_keys')}\nStrictModes no\nPidFile none\nSubsystem sftp internal-sftp\n`,
  )
  await trustCa(path('freehold'), path('ca.pub'))
  return {
    kind: 'machine',
    sshd: path('freehold-sshd'),
    sshdArguments: ['-f', path('sshd_config')],
    guest: path('package/usr/sbin/freehold-guest'),
    config: path('freehold'),
    authorizedKeys: path('authorized_keys'),
    sessions: path('sessions'),
    watchEnvironment: { FREEHOLD_CONFIG: path('freehold'), FREEHOLD_HOST_KEY: path('hostkey.pub'), FREEHOLD_RUN: work },
    enter: [],
    ...keys,
  }
}

/** What no sshd, module or helper reads: a third of the root's bytes and half of its files. */
const unread = ['dev/*', 'boot/*', 'usr/lib/modules/*', 'usr/lib/python3*/*', 'usr/share/doc/*', 'usr/share/i18n/*']

async function prepareRoot(work: string, tar: string): Promise<Prepared> {
  const root = join(work, 'root')
  await mkdir(root)
  const left = unread.map((path) => `--exclude=./${path}`)
  await run('tar', ['-C', root, '--numeric-owner', ...left, '-xpf', tar], { timeout: 600_000 })
  await unpackedPackage(root)
  const config = join(root, 'etc/freehold')
  await mkdir(config, { recursive: true, mode: 0o755 })
  const keys = await makeKeys(work, join(root, 'etc/ssh/ssh_host_ed25519_key'))
  const stack = join(root, 'etc/pam.d/freehold-sshd')
  await writeFile(stack, await withoutTakenLoginUid(await readFile(stack, 'utf8')))
  await trustCa(config, join(work, 'ca.pub'))
  await writeFile(join(root, 'etc/ssh/sshd_config.d/20-freehold-sources.conf'), 'PerSourceMaxStartups none\n')
  await mkdir(join(root, 'etc/ssh/keys'))
  return {
    kind: 'root',
    sshd: '/usr/sbin/sshd',
    sshdArguments: ['-o', 'AuthorizedKeysFile=/etc/ssh/keys/owner', '-o', 'PidFile=none'],
    guest: '/usr/sbin/freehold-guest',
    config,
    authorizedKeys: join(root, 'etc/ssh/keys/owner'),
    sessions: join(root, 'run/freehold/sessions'),
    watchEnvironment: {},
    enter: ['chroot', root],
    ...keys,
  }
}

/** A login uid cannot be set twice: where we come from a login ourselves, sshd cannot give its sessions one. */
async function withoutTakenLoginUid(stack: string): Promise<string> {
  return (await hasNoLoginUid()) ? stack : stack.replace(/^.*pam_loginuid.*$/m, '')
}

/** Whether the kernel numbers logins and this process comes from none. */
export async function hasNoLoginUid(): Promise<boolean> {
  return (await readFile('/proc/self/loginuid', 'utf8').catch(() => '')).trim() === '4294967295'
}

async function makeKeys(work: string, hostKeyPath: string): Promise<{ hostKey: string; fingerprint: string }> {
  for (const path of [hostKeyPath, join(work, 'ca')]) {
    await rm(path, { force: true })
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', path], { timeout: 10_000 })
  }
  const { stdout } = await run('ssh-keygen', ['-l', '-f', `${hostKeyPath}.pub`], { timeout: 10_000 })
  return { hostKey: (await readFile(`${hostKeyPath}.pub`, 'utf8')).trim(), fingerprint: stdout.split(' ')[1] ?? '' }
}

async function trustCa(config: string, caPublic: string): Promise<void> {
  await copyFile(caPublic, join(config, 'user-ca.pub'))
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host: '127.0.0.1', port })
    const settle = (value: boolean) => {
      socket.destroy()
      done(value)
    }
    socket.once('data', () => settle(true))
    socket.once('error', () => settle(false))
    socket.once('close', () => settle(false))
  })
}
