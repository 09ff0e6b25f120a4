import { spawn } from 'node:child_process'
import { systemClock } from '@freehold/appliance/clock/clock'
import { AppError } from '@freehold/appliance/errors/app-error'

/** Where to log in with a key file. */
export interface KeyLogin {
  host: string
  port: number
  user: string
  keyFile: string
  /**
   * Offered alone and first, as `freehold ssh` and `freehold ssh-config` have it. A certificate that only lies beside its key is
   * offered after the plain key, whose refusal sshd stretches to 5 to 10 ms and more (auth2.c, `ensure_minimum_time_since`).
   */
  certificateFile?: string
  /** A known_hosts file that holds the VM's key. */
  knownHosts: string
}

/**
 * Stock `ssh` with a key. Returns milliseconds from the offer of the key to the first byte of the remote command: what an
 * approved wallet login is compared with, neither counts the key exchange. Throws `process-failed` with what ssh said.
 */
export async function publicKeyLogin(login: KeyLogin): Promise<number> {
  const settings = [
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    'PreferredAuthentications=publickey',
    'StrictHostKeyChecking=yes',
    'GlobalKnownHostsFile=/dev/null',
    `UserKnownHostsFile=${login.knownHosts}`,
    `IdentityFile=${login.keyFile}`,
    ...(login.certificateFile === undefined ? [] : [`CertificateFile=${login.certificateFile}`]),
  ]
  const args = ['-F', '/dev/null', '-v', '-tt', '-p', String(login.port), ...settings.flatMap((s) => ['-o', s])]
  const child = spawn('ssh', [...args, `${login.user}@${login.host}`, 'echo', 'ready'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  })
  let offeredAt: number | null = null
  let firstByteAt: number | null = null
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
    if (offeredAt === null && said.includes('Offering public key')) offeredAt = systemClock.monotonicMs()
  })
  child.stdout.on('data', () => (firstByteAt ??= systemClock.monotonicMs()))
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  child.once('error', reject)
  child.once('close', () => resolve())
  await promise
  if (offeredAt === null || firstByteAt === null) {
    throw new AppError({ code: 'process-failed', detail: `The login with a key failed: ${said.slice(-600)}` })
  }
  return firstByteAt - offeredAt
}
