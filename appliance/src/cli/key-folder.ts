import { randomBytes } from 'node:crypto'
import { lstat, mkdir, open, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { certificateSchema, type CertificateView } from '../api/schemas/ssh-certificates.ts'
import { systemClock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'

/** A certificate that ends sooner is renewed: a connection that begins now must still find it good. */
const leastSeconds = 60
/** Longer than a sign-in lives: who waits for another process's signature waits no longer than that. */
const lockPatienceMs = 320_000

/** The files that stock tools are pointed at. `key` and its certificate belong together; a renewal exchanges the whole folder. */
export interface KeyFiles {
  key: string
  certificate: string
  knownHosts: string
}

/** Where keys of this user lie by default: in memory while a login lasts, where the system has such a place. */
export function defaultKeysFolder(): string {
  const runtime = process.env['XDG_RUNTIME_DIR']
  if (runtime !== undefined && runtime !== '') return join(runtime, 'freehold-ssh')
  return join(process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local/state'), 'freehold/ssh')
}

/** Names only: the files stand once a certificate was stored. `vmId` must be parsed. */
export function keyFilesOf(keys: string, vmId: string): KeyFiles {
  const at = join(keys, vmId)
  return { key: join(at, 'key'), certificate: join(at, 'key-cert.pub'), knownHosts: join(at, 'known_hosts') }
}

/** The certificate that stands and lasts long enough, or undefined. */
export async function currentCertificate(keys: string, vmId: string): Promise<CertificateView | undefined> {
  try {
    await checkFolder(keys)
    const kept = certificateSchema.parse(JSON.parse(await readFile(join(keys, vmId, 'vm.json'), 'utf8')))
    return kept.vmId === vmId && kept.validBefore - systemClock.now() >= leastSeconds ? kept : undefined
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined
    throw error
  }
}

/** Runs `work` while no other process of this user does so for the VM. Throws `timed-out`. */
export async function alone<T>(keys: string, vmId: string, work: () => Promise<T>): Promise<T> {
  await makeFolder(keys)
  const lock = join(keys, `.${vmId}.lock`)
  const end = systemClock.monotonicMs() + lockPatienceMs
  for (;;) {
    const mine = await open(lock, 'wx', 0o600).catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return undefined
      throw error
    })
    if (mine !== undefined) {
      await mine.writeFile(String(process.pid))
      await mine.close()
      break
    }
    if (await isAbandoned(lock)) await rm(lock, { force: true })
    else if (systemClock.monotonicMs() > end) {
      throw new AppError({ code: 'timed-out', detail: `Another freehold is still asking for a certificate for ${vmId}.` })
    } else await systemClock.wait(100)
  }
  try {
    return await work()
  } finally {
    await rm(lock, { force: true })
  }
}

/** Its process is gone, or never wrote its number within the time that takes. */
async function isAbandoned(lock: string): Promise<boolean> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(lock, 'utf8'), lstat(lock)])
    if (text === '') return systemClock.now() * 1000 - mtimeMs > 5000
    process.kill(Number(text), 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}

/** A new empty folder for one key, 0700. It comes to the VM's name by `keep`, or is removed by its maker. */
export async function draftFolder(keys: string, vmId: string): Promise<string> {
  const draft = join(keys, `.${vmId}.${randomBytes(6).toString('hex')}`)
  await mkdir(draft, { mode: 0o700 })
  return draft
}

/** Puts the certificate beside the key that `draft` holds, and the draft in the place of what stood there: all at once. */
export async function keep(keys: string, made: CertificateView, draft: string, hostKey: string): Promise<void> {
  const write = (name: string, text: string) => writeFile(join(draft, name), text, { mode: 0o600 })
  await write('key-cert.pub', `${made.certificate}\n`)
  await write('known_hosts', `${made.vmId} ${hostKey}\n`)
  await write('vm.json', JSON.stringify(made))
  const link = join(keys, made.vmId)
  const former = await readlink(link).catch(() => undefined)
  await symlink(draft, `${draft}.link`)
  await rename(`${draft}.link`, link)
  if (former?.startsWith(join(keys, '.')) === true) await rm(former, { recursive: true, force: true })
}

/** What stands for the VM is used no more: after a reinstall it opens nothing, though it has not ended. May be called again. */
export async function putAside(keys: string, vmId: string): Promise<void> {
  const link = join(keys, vmId)
  const former = await readlink(link).catch(() => undefined)
  await rm(link, { force: true })
  if (former?.startsWith(join(keys, '.')) === true) await rm(former, { recursive: true, force: true })
}

/** Private keys lie here: the folder must be this user's, and nobody else may enter. */
async function makeFolder(keys: string): Promise<void> {
  await mkdir(keys, { recursive: true, mode: 0o700 })
  await checkFolder(keys)
}

/** What lies in a folder that somebody else made or may change is not ours: neither keys nor the host that they are for. */
async function checkFolder(keys: string): Promise<void> {
  const own = process.getuid?.()
  const { mode, uid } = await lstat(keys)
  let others = (mode & 0o170077) !== 0o040000 || uid !== own
  for (let path = dirname(resolve(keys)); !others; path = dirname(path)) {
    const parent = await stat(path)
    const sticky = (parent.mode & 0o1000) !== 0
    others = (parent.uid !== own && parent.uid !== 0) || ((parent.mode & 0o022) !== 0 && !sticky)
    if (path === dirname(path)) break
  }
  if (others) {
    throw new AppError({
      code: 'config-unreadable',
      detail: `The folder ${keys} for SSH keys is open to others.`,
      hint: 'Make it yours and set its mode to 0700, or name another with --keys FOLDER.',
    })
  }
}
