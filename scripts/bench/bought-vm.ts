import { statusSchema } from '@freehold/appliance/api/schemas/status'
import { vmSchema, type VmView } from '@freehold/appliance/api/schemas/vms'
import { createClient, type ApiClient } from '@freehold/appliance/cli/client'
import { signIn } from '@freehold/appliance/cli/session'
import { walletOf } from '@freehold/appliance/cli/wallet'
import { systemClock } from '@freehold/appliance/clock/clock'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { AppError } from '@freehold/appliance/errors/app-error'
import { readSshBanner } from '@freehold/appliance/network/ssh-banner'
import { startStand } from '../../testing/stands/embedded.ts'
import { buySmallest, untilReady } from '../../testing/stands/purchase.ts'

/** A VM on a host of its own, bought as a person buys it. */
export interface BoughtVm {
  origin: string
  client: ApiClient
  holder: ReturnType<typeof walletOf>
  ssh: NonNullable<VmView['ssh']>
  /** From sending the purchase to sshd's banner on the VM's port, as somebody outside sees it. */
  secondsToSshd: number
  /** Ends the host and all that is on it. */
  stop(): Promise<void>
}

const waitSeconds = 300

/** Starts a whole host (embedded mode, libvirt, no pages) and buys its smallest plan. Throws AppError where the chain breaks. */
export async function buyVm(report: (line: string) => void): Promise<BoughtVm> {
  report('starting a host')
  const stand = await startStand({ pages: false, hypervisor: 'libvirt', report })
  try {
    const client = createClient({ url: stand.origin })
    const holder = walletOf(devWallet(4))
    const from = systemClock.monotonicMs()
    const hash = await buySmallest(client, holder)
    const sshPort = stand.embedded.config.hypervisor.kind === 'libvirt' ? stand.embedded.config.hypervisor.sshPorts.from : 0
    await bannerAt(sshPort)
    const secondsToSshd = (systemClock.monotonicMs() - from) / 1000
    report(`sshd answered ${secondsToSshd.toFixed(1)} s after the purchase`)
    const vmId = await untilReady(client, hash, waitSeconds)
    report(`ready after ${((systemClock.monotonicMs() - from) / 1000).toFixed(1)} s`)
    const status = await client.call(statusSchema, 'GET', '/v1/status')
    await signIn(client, holder, status.origin, status.now)
    const { ssh } = await client.call(vmSchema, 'GET', `/v1/vms/${vmId}`)
    if (ssh?.port !== sshPort) throw new AppError({ code: 'internal', detail: `The VM is at port ${ssh?.port}, not ${sshPort}.` })
    return { origin: status.origin, client, holder, ssh, secondsToSshd, stop: stand.stop }
  } catch (error) {
    await stand.stop()
    throw error
  }
}

/** The first VM of a fresh host gets the first port. */
async function bannerAt(port: number): Promise<void> {
  const end = systemClock.monotonicMs() + waitSeconds * 1000
  while ((await readSshBanner({ host: '127.0.0.1', port }, 1000)) === undefined) {
    if (systemClock.monotonicMs() > end) throw new AppError({ code: 'timed-out', detail: `No sshd answered at port ${port}.` })
    await systemClock.wait(50)
  }
}
