import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { VmKey } from '../../chain/installation.ts'
import { systemClock, type UnixSeconds } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import type { HostKey } from '../host-key.ts'

/** From so long before its making: the guest's clock may be behind. */
export const certificateSlackSeconds = 300
/** From the first to the last second of a certificate. */
export const certificateSeconds = 600
/** What a session under a certificate may do; the rest (such as user rc files, X11) is not asked for. */
const extensions = ['permit-pty', 'permit-port-forwarding', 'permit-agent-forwarding']

/** An OpenSSH user certificate for one key and one VM in one generation. */
export interface UserCertificate {
  /** `ssh-ed25519-cert-v01@openssh.com AAAA…` */
  certificate: string
  keyId: string
  principal: string
  validAfter: UnixSeconds
  validBefore: UnixSeconds
}

export interface IssueOptions {
  /** Private key of the user CA: `Secrets.userCaPath`. */
  userCaPath: string
  /** Parsed by `parseHostKey`, which reads any Ed25519 line. */
  key: HostKey
  vm: VmKey
  /** Id of the request that was approved. */
  keyId: string
  /** Wall time; guests judge by theirs, so it is never the clock that development moves. */
  now?: UnixSeconds
}

/** `vm:<installation>:<tokenId>:<generation>`: the one name that a guest's sshd accepts (PROTOCOL.md). */
export function principalOf({ installation, tokenId, generation }: VmKey): string {
  return `vm:${installation}:${tokenId}:${generation}`
}

const run = promisify(execFile)

/** Has `ssh-keygen -s` write a certificate. Throws `tool-missing`, `process-failed`; leaves no file behind. */
export async function issueCertificate(options: IssueOptions): Promise<UserCertificate> {
  const { vm, keyId, now = systemClock.now() } = options
  if (!/^[0-9a-f]{32}$/.test(keyId)) throw new TypeError('a key id is a request id')
  const principal = principalOf(vm)
  const validAfter = now - certificateSlackSeconds
  const validBefore = validAfter + certificateSeconds
  const folder = await mkdtemp(join(tmpdir(), 'freehold-certificate-'))
  try {
    const publicKey = join(folder, 'key.pub')
    await writeFile(publicKey, `${options.key.publicKey}\n`, { mode: 0o600 })
    await run(
      'ssh-keygen',
      [
        '-q',
        ...['-s', options.userCaPath, '-I', keyId, '-n', principal],
        // hexadecimal seconds: no time zone between us and OpenSSH
        ...['-V', `0x${validAfter.toString(16)}:0x${validBefore.toString(16)}`],
        ...['-O', 'clear', ...extensions.flatMap((e) => ['-O', e])],
        publicKey,
      ],
      { timeout: 20_000, env: { PATH: process.env['PATH'] } },
    )
    const line = /^ssh-ed25519-cert-v01@openssh\.com [A-Za-z0-9+/=]+/.exec(await readFile(join(folder, 'key-cert.pub'), 'utf8'))
    if (line === null) throw new Error('no certificate line')
    return { certificate: line[0], keyId, principal, validAfter, validBefore }
  } catch (cause) {
    if (
      cause instanceof Error &&
      'code' in cause &&
      cause.code === 'ENOENT' &&
      'syscall' in cause &&
      cause.syscall === 'spawn ssh-keygen'
    ) {
      throw new AppError({ code: 'tool-missing', detail: 'ssh-keygen is not installed.', hint: 'Install openssh-client.', cause })
    }
    throw new AppError({ code: 'process-failed', detail: 'The certificate could not be made.', cause })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
