import { vmIdOf, type VmKey } from '../../chain/installation.ts'
import type { DenialReason } from '../login-request.ts'
import type { LatestChain, SignInPorts } from '../ports.ts'
import { presenceOf, type Presence } from '../presence.ts'

/**
 * What the newest block says of one certificate: presence, with `activeUntil` null and a reason unless the wallet that signed
 * for it still holds the pass. A certificate names no wallet, so without this question a former holder's would open until it
 * ends by itself. Known also after a restart of the host. Throws `chain-stale`.
 */
export async function presenceOfCertificate(
  ports: { latestChain: LatestChain; outcomes: Pick<SignInPorts['outcomes'], 'get'> },
  vm: VmKey,
  keyId: string,
): Promise<Presence> {
  const given = /^[0-9a-f]{32}$/.test(keyId) ? await ports.outcomes.get(keyId) : undefined
  // the chain last: between the two reads a pass may move, never back in time
  const presence = presenceOf(ports.latestChain, vm)
  const no = (reason: DenialReason): Presence => ({ ...presence, activeUntil: null, reason })
  if (presence.activeUntil === null) return presence
  const isOfVm = given?.vmId === vmIdOf(vm) && given.generation === vm.generation
  if (given?.outcome !== 'used' || !given.act.startsWith('certificate:') || !isOfVm) {
    return no({ code: 'not-found', text: 'This host gave no such certificate for this VM.' })
  }
  if (given.signer === null || given.signer.toLowerCase() !== presence.holder) {
    return no({ code: 'wrong-wallet', text: 'The access pass has moved on since this certificate was given.' })
  }
  return presence
}
