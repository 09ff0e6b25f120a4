import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Who signs, where, for which VM. */
export interface CertificateLogin {
  /** Origin of the host. */
  host: string
  vmId: string
  /** What names the wallet, such as `['--keystore', file, '--passphrase-file', file]`. */
  wallet: readonly string[]
  /** A folder of one's own, 0700: configuration and keys go there. */
  folder: string
}

/**
 * Writes what `freehold ssh-config` prints and resolves with its path, for `ssh -F`, `scp -F`, `GIT_SSH_COMMAND` and the like;
 * the VM's name there is its id. Nothing is signed before the first tool runs. Throws with what the command said.
 */
export async function certificateConfig(login: CertificateLogin): Promise<string> {
  const command = resolve(import.meta.dirname, '../cli/freehold.ts')
  const args = [command, '--host', login.host, ...login.wallet, 'ssh-config', '--keys', join(login.folder, 'keys'), login.vmId]
  const { stdout } = await run(process.execPath, args, { timeout: 30_000 })
  const path = join(login.folder, 'ssh_config')
  await writeFile(path, stdout, { mode: 0o600 })
  return path
}
