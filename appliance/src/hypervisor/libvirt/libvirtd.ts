import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { openSync } from 'node:fs'
import { chown, lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import { run, runOrFail } from './run.ts'
import { makeSharedFolder } from './shared-folder.ts'
import { createVirsh } from './virsh.ts'

/** The unprivileged user that runs libvirtd and QEMU; its group shares the folders of disks and sockets. */
export const vmUser = 'freehold-vm'

/** Numbers of a user and its group. */
export interface UserIds {
  uid: number
  gid: number
}

/** Where disks and templates lie. Root's home cannot be entered by the user that runs VMs, so root keeps them elsewhere. */
export function defaultLibvirtFolder(options: { stateFolder: string; uid: number }): string {
  if (options.uid !== 0) return join(options.stateFolder, 'libvirt')
  return join('/var/lib', vmUser, shortHash(options.stateFolder))
}

/** Where an installed host has them: daemon and libvirtd are two users there and must name the same places. */
export const installedLibvirt = { folder: join('/var/lib', vmUser), runFolder: join('/run', vmUser) } as const

/** Sockets and pids. Short, since the path of a unix socket has at most 108 characters, and the same at every start. */
export function runFolderOf(folder: string, uid: number): string {
  const session = process.env['XDG_RUNTIME_DIR']
  const base = uid === 0 ? join('/run', vmUser) : session === undefined ? `/dev/shm/freehold-${uid}` : join(session, 'freehold')
  return join(base, shortHash(folder))
}

/** Under which address virsh reaches the libvirtd of this run folder. */
export function libvirtUri(runFolder: string): string {
  return `qemu+unix:///session?socket=${join(runFolder, 'sock/libvirt-sock')}`
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}

/**
 * Makes the user `freehold-vm` with a group of its own. Needs root; no-op if it is there. Throws `process-failed`,
 * `tool-missing`.
 */
export async function ensureVmUser(): Promise<UserIds> {
  const known = await vmUserIds()
  if (known !== undefined) return known
  const home = ['--no-create-home', '--home-dir', `/var/lib/${vmUser}`, '--shell', '/usr/sbin/nologin']
  await runOrFail(`make the user ${vmUser}`, 'useradd', ['--system', '--user-group', ...home, vmUser])
  // where KVM exists its group opens the device; without it guests run under TCG
  await run('usermod', ['-aG', 'kvm', vmUser])
  const made = await vmUserIds()
  if (made === undefined) throw new AppError({ code: 'process-failed', detail: `The user ${vmUser} could not be made.` })
  return made
}

/** The numbers of `freehold-vm`, undefined if there is no such user. */
export async function vmUserIds(): Promise<UserIds | undefined> {
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((l) => l.startsWith(`${vmUser}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) }
}

/** The argv that runs a program as `user` with its groups, or as oneself. */
export function asUser(user: UserIds | undefined, argv: readonly string[]): string[] {
  return user === undefined ? [...argv] : ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--init-groups', ...argv]
}

/** A running libvirtd. */
export interface Libvirtd {
  uri: string
  /** SIGTERM; VMs run on. */
  stop(): Promise<void>
}

/** Makes a folder that the VM user and its group share; new files in it belong to that group. */
async function sharedFolder(path: string, owner: UserIds | undefined): Promise<void> {
  await mkdir(path, { recursive: true })
  if (owner !== undefined) await chown(path, owner.uid, owner.gid)
  await makeSharedFolder(path)
}

/**
 * Autostart runs once per run folder, and pids of a former boot name other processes now: what an earlier boot left goes.
 * On tmpfs it is gone already. Source: facts about libvirt's marker `autostarted`.
 */
async function forgetFormerBoot(runFolder: string): Promise<void> {
  const file = join(runFolder, 'boot-id')
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
  if ((await readFile(file, 'utf8').catch(() => '')) === boot) return
  await mkdir(runFolder, { recursive: true, mode: 0o755 })
  // not the folder itself: on an installed host systemd made it, in a folder of root's
  for (const name of await readdir(runFolder)) await rm(join(runFolder, name), { recursive: true, force: true })
  await writeFile(file, boot)
}

/** Writes the configuration as the VM user itself (its folders are its own), then becomes libvirtd. */
const daemonScript = [
  'umask 007',
  'mkdir -p "$XDG_CONFIG_HOME/libvirt"',
  'printf %s "$2" >"$0"',
  'printf %s "$3" >"$XDG_CONFIG_HOME/libvirt/qemu.conf"',
  'exec libvirtd -f "$0" -p "$1"',
].join('; ')

/**
 * Starts the session-mode libvirtd of this installation as the VM user (called by root) or as oneself, or finds it running.
 * It lives in a session of its own: when the caller dies, it and its VMs go on. Throws `tool-missing`, `process-failed`.
 */
export async function startLibvirtd(options: { folder: string; runFolder: string }): Promise<Libvirtd> {
  const { folder, runFolder } = options
  const owner = process.getuid?.() === 0 ? await ensureVmUser() : undefined
  if (owner !== undefined) {
    for (const base of ['/run', '/var/lib']) await mkdir(join(base, vmUser), { recursive: true, mode: 0o755 })
  }
  await forgetFormerBoot(runFolder)
  const [home, sockets] = [join(folder, 'home'), join(runFolder, 'sock')]
  for (const path of [folder, home, sockets, join(runFolder, 'c'), join(runFolder, 'xdg')]) await sharedFolder(path, owner)
  // libvirt makes sockets below its configuration: a short way there, else their paths are too long
  const config = join(runFolder, 'config')
  if (!(await lstat(config).then(Boolean, () => false))) await symlink(home, config)
  const uri = libvirtUri(runFolder)
  const virsh = createVirsh(uri)
  const answers = () =>
    virsh.ask(['uri'], { timeoutMs: 10_000 }).then(
      (r) => r.code === 0,
      () => false,
    )
  const pidFile = join(sockets, 'libvirtd.pid')
  if (await answers()) return { uri, stop: () => stopDaemon(pidFile) }
  const settings = [
    `unix_sock_dir = "${sockets}"`,
    'unix_sock_rw_perms = "0770"',
    'auth_unix_rw = "none"',
    'log_outputs = "3:stderr"',
  ]
  const qemuSettings = ['stdio_handler = "file"', 'security_driver = "none"']
  const texts = [settings, qemuSettings].map((lines) => `${lines.join('\n')}\n`)
  const [program = '', ...args] = asUser(owner, ['sh', '-c', daemonScript, join(home, 'libvirtd.conf'), pidFile, ...texts])
  const log = openSync(join(runFolder, 'libvirtd.log'), 'a', 0o640)
  const child = spawn(program, args, {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
    env: {
      PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: home,
      XDG_CONFIG_HOME: config,
      XDG_RUNTIME_DIR: join(runFolder, 'xdg'),
      LC_ALL: 'C',
    },
  })
  let ended: string | undefined
  child.on('error', (e) => (ended = e.message))
  child.on('exit', (code) => (ended = `exit code ${code}`))
  child.unref()
  for (let tries = 0; !(await answers()); tries++) {
    if (tries > 150 || ended !== undefined) {
      const hint = 'See libvirtd.log in the run folder of the VMs.'
      throw new AppError({ code: 'process-failed', detail: `libvirtd did not start (${ended ?? 'no answer'}).`, hint })
    }
    await systemClock.wait(100)
  }
  return { uri, stop: () => stopDaemon(pidFile) }
}

async function stopDaemon(pidFile: string): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''))
  if (!(pid > 1)) return
  const alive = async () => (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).startsWith('libvirtd')
  // a number in a file may be another's by now
  if (await alive()) process.kill(pid, 'SIGTERM')
  for (let tries = 0; await alive(); tries++) {
    if (tries === 200) process.kill(pid, 'SIGKILL')
    await systemClock.wait(50)
  }
  await rm(pidFile, { force: true })
}

/** Ends all running domains of this libvirtd, asked first, forced after `graceSeconds`; autostart stays, so they come back. */
export async function stopDomains(uri: string, graceSeconds: number): Promise<void> {
  const virsh = createVirsh(uri)
  const names = async () => (await virsh.call('list running VMs', ['list', '--name'])).split('\n').filter((name) => name !== '')
  const end = systemClock.monotonicMs() + graceSeconds * 1000
  for (let round = 0; systemClock.monotonicMs() < end; round++) {
    const running = await names()
    if (running.length === 0) return
    // asked again and again: a guest that is still booting does not hear the first one
    if (round % 10 === 0) for (const name of running) await virsh.ask(['shutdown', name, '--mode', 'acpi'])
    await systemClock.wait(300)
  }
  for (const name of await names()) await virsh.ask(['destroy', name])
}
