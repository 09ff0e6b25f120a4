import { currentCertificate } from './key-folder.ts'
import { relay } from './relay.ts'

/**
 * The short way for what `freehold ssh-config` has ssh call at every connection: while a certificate stands there is nothing to
 * ask and nobody to sign, so no wallet, contract or command parser is loaded. Resolves with the exit code, or undefined if the
 * words are others or a certificate must be made: then the whole command runs.
 */
export async function standingCertificate(argv: readonly string[]): Promise<number | undefined> {
  const [verb, option, keys, vmId] = argv.slice(-4)
  if ((verb !== 'ssh-certificate' && verb !== 'ssh-proxy') || option !== '--keys' || argv.includes('--json')) return undefined
  if (keys === undefined || vmId === undefined || !/^[0-9a-f]{12}-(0|[1-9][0-9]{0,77})$/.test(vmId)) return undefined
  // what goes wrong here is told by the whole command, which tries the same again
  const standing = await currentCertificate(keys, vmId).catch(() => undefined)
  if (standing === undefined) return undefined
  if (verb === 'ssh-proxy' && !(await relay(standing.ssh.host, standing.ssh.port))) return undefined
  return 0
}
