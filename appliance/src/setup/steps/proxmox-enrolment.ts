import { rm } from 'node:fs/promises'
import { systemClock } from '../../clock/clock.ts'
import { enrolOnce, parsePrivilegedToken, requireEnrolled } from '../../hypervisor/proxmox/enrol/enrol-once.ts'
import { readTokenSecret } from '../../hypervisor/proxmox/settings.ts'
import type { Step } from '../../steps/step.ts'
import type { SetupContext } from '../context.ts'

/**
 * A Proxmox server knows this host: role, user, pool, storage, token and rights are there, the datacenter firewall is on. Without
 * a privileged credential in the answers it only looks, and refuses what it does not find. Other hypervisors need no such thing.
 */
export const proxmoxEnrolment: Step<SetupContext> = {
  name: 'enrolment',
  estimateSeconds: 5,
  async check({ answers: { hypervisor } }) {
    if (hypervisor.kind !== 'proxmox') return true
    return await requireEnrolled(hypervisor, systemClock).then(
      () => true,
      () => false,
    )
  },
  async run({ answers: { hypervisor } }, io) {
    if (hypervisor.kind !== 'proxmox') return
    const { enrolment } = hypervisor
    if (enrolment === undefined) return await requireEnrolled(hypervisor, systemClock)
    io.progress('looking')
    const privileged = parsePrivilegedToken(await readTokenSecret(enrolment.privilegedTokenFile))
    const given = { ...enrolment, privileged, clock: systemClock }
    await enrolOnce(
      hypervisor,
      given,
      ({ steps }) => {
        // the whole plan stands in the log before the first change
        for (const { what, done } of steps) io.log(`${done ? 'there' : 'to do'}: ${what}`)
        return true
      },
      (what) => io.progress(what),
    )
    await requireEnrolled(hypervisor, systemClock)
    await rm(enrolment.privilegedTokenFile)
    io.log('Enrolled; the file with the privileged token was removed. Remove the token itself on the server, too.')
  },
}
