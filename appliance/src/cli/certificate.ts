import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { certificateSchema, type CertificateView } from '../api/schemas/ssh-certificates.ts'
import type { Act } from '../sign-in/sign-in-text.ts'
import { parseHostKey } from '../sign-in/host-key.ts'
import { AppError } from '../errors/app-error.ts'
import { approvedAct } from './act-approval.ts'
import type { CliContext } from './context.ts'
import { alone, currentCertificate, draftFolder, keep } from './key-folder.ts'

const run = promisify(execFile)

/**
 * A certificate for the VM that lasts at least another minute: the one that stands, or a new one for a fresh key after one
 * signature. Several at once ask for one signature. Throws what the host and the wallet throw, `tool-missing`, `misdirected`.
 */
export async function certificateFor(context: CliContext, vmId: string, keys: string): Promise<CertificateView> {
  const standing = await currentCertificate(keys, vmId)
  if (standing !== undefined) return standing
  return await alone(keys, vmId, async () => (await currentCertificate(keys, vmId)) ?? (await renew(context, vmId, keys)))
}

async function renew(context: CliContext, vmId: string, keys: string): Promise<CertificateView> {
  const draft = await draftFolder(keys, vmId)
  try {
    const key = await freshKey(join(draft, 'key'))
    const { view, nonce } = await approvedAct(context, `certificate:${key.fingerprint}` as Act, vmId)
    const made = await context.client.call(certificateSchema, 'POST', '/v1/ssh-certificates', {
      body: { requestId: view.requestId, nonce, publicKey: key.publicKey },
      headers: { 'idempotency-key': randomBytes(16).toString('hex') },
    })
    // the host key that the wallet has signed for is the one that is trusted, whatever came with the certificate
    const hostKey = parseHostKey(made.ssh.knownHostsLine.replace(/^\S+ /, ''))
    if (made.vmId !== vmId || hostKey === undefined || hostKey.fingerprint !== view.hostKey) {
      throw new AppError({
        code: 'misdirected',
        detail: 'The host answered with another VM or host key than was signed for.',
        hint: 'Do not connect. Compare the host key on the page of the VM.',
      })
    }
    await keep(keys, made, draft, hostKey.publicKey)
    return made
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    throw error
  }
}

async function freshKey(path: string) {
  try {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', path], { timeout: 20_000 })
  } catch (cause) {
    throw new AppError({
      code: 'tool-missing',
      detail: 'ssh-keygen could not make a key.',
      hint: 'Install the OpenSSH client.',
      cause,
    })
  }
  const key = parseHostKey((await readFile(`${path}.pub`, 'utf8')).trim())
  if (key === undefined) throw new AppError({ code: 'process-failed', detail: 'ssh-keygen made a key that cannot be read.' })
  return key
}
