import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, openSync } from 'node:fs'
import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import { systemClock } from '../../clock/clock.ts'
import { run, runOrFail } from './run.ts'
import { createVirsh } from './virsh.ts'

export const vmUser = 'freehold-vm'

/** Where disks and templates lie. Root's home cannot be entered by the user that runs VMs, so root keeps them elsewhere. */
export function defaultLibvirtFolder(options: { stateFolder: string; uid: number }): string {
  if (options.uid !== 0) return join(options.stateFolder, 'libvirt')
  return join('/var/lib', vmUser, shortHash(options.stateFolder))
}

/** Sockets and pids, on a file system that a reboot wipes: else autostart does not run again (facts: libvirt.md §7). */
export function runFolderOf(folder: string, uid: number): string {
  const base = uid === 0 ? join('/run', vmUser) : join(process.env['XDG_RUNTIME_DIR'] ?? '/dev/shm', `freehold-${uid}`)
  return join(base, shortHash(folder))
}

export function libvirtUri(runFolder: string): string {
  return `qemu+unix:///session?socket=${join(runFolder, 'sock/libvirt-sock')}`
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}

/** Makes the unprivileged user that runs libvirtd and QEMU, with a group of its own. Needs root; no-op if it is there. */
export async function ensureVmUser(): Promise<{ uid: number; gid: number }> {
  const known = await idOf()
  if (known !== undefined) return known
  await runOrFail(`make the user ${vmUser}`, 'useradd', [
    '--system',
    '--user-group',
    '--no-create-home',
    '--home-dir',
    `/var/lib/${vmUser}`,
    '--shell',
    '/usr/sbin/nologin',
    vmUser,
  ])
  // where KVM exists its group opens the device; without it guests run under TCG
  await run('usermod', ['-aG', 'kvm', vmUser])
  const made = await idOf()
  if (made === undefined) throw new AppError({ code: 'process-failed', detail: `The user ${vmUser} could not be made.` })
  return made
}

async function idOf(): Promise<{ uid: number; gid: number } | undefined> {
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((l) => l.startsWith(`${vmUser}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) }
}

export interface Libvirtd {
  uri: string
  /** SIGTERM; VMs run on. */
  stop(): Promise<void>
}

/** Makes a folder that the VM user and its group share; new files in it belong to that group. */
export async function sharedFolder(path: string, owner: { uid: number; gid: number } | undefined): Promise<void> {
  await mkdir(path, { recursive: true })
  if (owner !== undefined) await chown(path, owner.uid, owner.gid)
  await chmod(path, 0o2770)
}

/**
 * Starts the session-mode libvirtd of this installation as the VM user (as root) or as oneself, or finds it running. It lives
 * in a session of its own: when the caller dies, it and its VMs go on. Throws `tool-missing`, `process-failed`.
 */
export async function startLibvirtd(options: { folder: string; runFolder: string }): Promise<Libvirtd> {
  const { folder, runFolder } = options
  const uid = process.getuid?.() ?? 0
  const owner = uid === 0 ? await ensureVmUser() : undefined
  if (uid === 0) {
    await mkdir(join('/run', vmUser), { recursive: true, mode: 0o755 })
    await mkdir(join('/var/lib', vmUser), { recursive: true, mode: 0o755 })
  }
  const home = join(folder, 'home')
  for (const path of [
    folder,
    runFolder,
    home,
    join(home, '.config'),
    join(home, '.config/libvirt'),
    join(runFolder, 'sock'),
    join(runFolder, 'c'),
  ]) {
    await sharedFolder(path, owner)
  }
  const configFile = join(home, 'libvirtd.conf')
  await writeFile(
    configFile,
    [
      `unix_sock_dir = "${join(runFolder, 'sock')}"`,
      'unix_sock_rw_perms = "0770"',
      'auth_unix_rw = "none"',
      'log_outputs = "3:stderr"',
      '',
    ].join('\n'),
  )
  await writeFile(join(home, '.config/libvirt/qemu.conf'), 'stdio_handler = "file"\nsecurity_driver = "none"\n')
  if (owner !== undefined)
    for (const path of [configFile, join(home, '.config/libvirt/qemu.conf')]) await chown(path, owner.uid, owner.gid)
  const uri = libvirtUri(runFolder)
  const virsh = createVirsh(uri)
  const answers = () =>
    virsh.ask(['uri'], { timeoutMs: 10_000 }).then(
      (r) => r.code === 0,
      () => false,
    )
  const pidFile = join(runFolder, 'libvirtd.pid')
  if (!existsSync(join(runFolder, 'sock/libvirt-sock')) || !(await answers())) {
    const log = openSync(join(folder, 'libvirtd.log'), 'a', 0o640)
    // no prefix argument of the caller reaches a shell: the script is fixed, paths are its arguments
    const daemon = ['sh', '-c', 'umask 007; exec libvirtd -f "$0" -p "$1"', configFile, pidFile]
    const argv =
      owner === undefined ? daemon : ['setpriv', `--reuid=${owner.uid}`, `--regid=${owner.gid}`, '--init-groups', ...daemon]
    const child = spawn(argv[0] ?? '', argv.slice(1), {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: '/',
      env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', HOME: home, XDG_RUNTIME_DIR: runFolder, LC_ALL: 'C' },
    })
    let ended: string | undefined
    child.on('error', (e) => (ended = e.message))
    child.on('exit', (code) => (ended = `exit code ${code}`))
    child.unref()
    for (let tries = 0; !(await answers()); tries++) {
      if (tries > 150 || ended !== undefined) {
        throw new AppError({
          code: 'process-failed',
          detail: `libvirtd did not start (${ended ?? 'no answer'}).`,
          hint: 'See libvirtd.log in the folder of the VMs.',
        })
      }
      await systemClock.wait(100)
    }
  }
  return { uri, stop: () => stopByPidFile(pidFile) }
}

async function stopByPidFile(pidFile: string): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''))
  if (!(pid > 1)) return
  try {
    process.kill(pid, 'SIGTERM')
    for (let tries = 0; tries < 100; tries++) {
      process.kill(pid, 0)
      await systemClock.wait(50)
    }
    process.kill(pid, 'SIGKILL')
  } catch {
    // it has ended
  }
  await rm(pidFile, { force: true })
}

/** Ends all running domains of this libvirtd, asked first, forced after `graceSeconds`; autostart stays, so they come back. */
export async function stopDomains(uri: string, graceSeconds: number): Promise<void> {
  const virsh = createVirsh(uri)
  const names = async () => (await virsh.call('list running VMs', ['list', '--name'])).split('\n').filter((name) => name !== '')
  for (const name of await names()) await virsh.ask(['shutdown', name, '--mode', 'acpi'])
  const end = systemClock.monotonicMs() + graceSeconds * 1000
  while ((await names()).length > 0 && systemClock.monotonicMs() < end) await systemClock.wait(300)
  for (const name of await names()) await virsh.ask(['destroy', name])
}
