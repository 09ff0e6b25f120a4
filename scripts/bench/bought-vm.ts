import { plansSchema, quoteSchema, statusSchema } from '@freehold/appliance/api/schemas/status'
import { purchaseSchema, vmSchema, type VmView } from '@freehold/appliance/api/schemas/vms'
import { zeroAddress } from '@freehold/appliance/chain/subscription'
import { HostRpc, sendTransaction } from '@freehold/appliance/cli/chain-client'
import { createClient, type ApiClient } from '@freehold/appliance/cli/client'
import { signIn } from '@freehold/appliance/cli/session'
import { walletOf } from '@freehold/appliance/cli/wallet'
import { systemClock } from '@freehold/appliance/clock/clock'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { AppError } from '@freehold/appliance/errors/app-error'
import { readSshBanner } from '@freehold/appliance/network/ssh-banner'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { startStand } from '../../testing/stands/embedded.ts'

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
    const hash = await pay(client, holder)
    const sshPort = stand.embedded.config.hypervisor.kind === 'libvirt' ? stand.embedded.config.hypervisor.sshPorts.from : 0
    await bannerAt(sshPort)
    const secondsToSshd = (systemClock.monotonicMs() - from) / 1000
    report(`sshd answered ${secondsToSshd.toFixed(1)} s after the purchase`)
    const vmId = await ready(client, hash)
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

/** Buys the least time of the smallest plan; returns the transaction's hash. */
async function pay(client: ApiClient, wallet: ReturnType<typeof walletOf>): Promise<string> {
  const { chain } = await client.call(statusSchema, 'GET', '/v1/status')
  const { plans } = await client.call(plansSchema, 'GET', '/v1/plans')
  const plan = plans.toSorted((a, b) => a.memoryMiB - b.memoryMiB).find((p) => p.open && p.available > 0)
  if (plan === undefined) throw new AppError({ code: 'capacity-exceeded', detail: 'No plan has a free place.' })
  const { planId, minSeconds } = plan
  const query = `planId=${planId}&token=${zeroAddress}&seconds=${minSeconds}`
  const quote = await client.call(quoteSchema, 'GET', `/v1/quotes?${query}`)
  const price = BigInt(quote.price)
  const data = subscriptionsInterface.encodeFunctionData('buy', [planId, zeroAddress, minSeconds, price, wallet.address])
  const receipt = await sendTransaction(
    new HostRpc(client, chain.chainId),
    wallet,
    { to: quote.contract, data, value: price },
    (revert) => subscriptionsInterface.parseError(revert)?.name,
  )
  return receipt.hash
}

/** The first VM of a fresh host gets the first port. */
async function bannerAt(port: number): Promise<void> {
  const end = systemClock.monotonicMs() + waitSeconds * 1000
  while ((await readSshBanner({ host: '127.0.0.1', port }, 1000)) === undefined) {
    if (systemClock.monotonicMs() > end) throw new AppError({ code: 'timed-out', detail: `No sshd answered at port ${port}.` })
    await systemClock.wait(50)
  }
}

async function ready(client: ApiClient, hash: string): Promise<string> {
  const end = systemClock.monotonicMs() + waitSeconds * 1000
  for (;;) {
    const purchase = await client.call(purchaseSchema, 'GET', `/v1/purchases/${hash}`)
    if (purchase.state === 'ready' && purchase.vmId !== null) return purchase.vmId
    if (['rejected', 'refundable', 'failed'].includes(purchase.state) || systemClock.monotonicMs() > end) {
      throw new AppError({ code: 'step-failed', detail: `The purchase is ${purchase.state}, not ready.` })
    }
    await systemClock.wait(200)
  }
}
