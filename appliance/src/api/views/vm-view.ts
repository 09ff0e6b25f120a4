import type { Subscription } from '../../chain/subscription.ts'
import type { VmRecord } from '../../hypervisor/port.ts'
import type { TaskRecord } from '../../steps/step.ts'
import type { StoredVm } from '../../store/vms.ts'
import type { ContractFacts, HostFacts } from '../facts.ts'
import type { ApiPorts } from '../ports.ts'
import { vmActionSchema, type SubscriptionView, type VmState, type VmView } from '../schemas/vms.ts'
import { subscriptionView } from './subscription-view.ts'
import { taskView } from './task-view.ts'

/** What a VM's state is told from. */
export interface VmStateFacts {
  entitlement: SubscriptionView['entitlement']
  /** The subscription is there at the giving depth. */
  confirmed: boolean
  /** Undefined: surely absent. `unknown`: the hypervisor does not answer. */
  record: Pick<VmRecord, 'state'> | 'unknown' | undefined
  task: Pick<TaskRecord, 'kind'> | undefined
}

/** One word and one sentence for what a person sees of a VM. Pure. */
export function vmState({ entitlement, confirmed, record, task }: VmStateFacts): { state: VmState; note: string | null } {
  if (entitlement === 'pending') {
    return confirmed
      ? { state: 'preparing', note: 'The VM is being prepared.' }
      : { state: 'waiting-for-confirmation', note: 'Waiting until the payment is confirmed.' }
  }
  if (entitlement === 'ended') {
    if (record === undefined) return { state: 'ended', note: 'The subscription has ended and the data is deleted.' }
    return { state: 'ending', note: 'The subscription has ended; the data is deleted once that is final.' }
  }
  if (task?.kind === 'create' || task?.kind === 'reinstall') return { state: 'preparing', note: 'The VM is being prepared.' }
  const power = record === 'unknown' ? 'unknown' : record?.state
  if (power === 'unknown') return { state: 'unknown', note: 'The hypervisor does not answer just now; nothing is changed.' }
  if (power === undefined) return { state: 'missing', note: 'The VM is not where it should be. The operator has been told; nothing is deleted.' }
  if (entitlement === 'active') {
    if (power === 'running') return { state: 'running', note: null }
    return { state: 'stopped', note: power === 'crashed' ? 'The VM has crashed.' : power === 'paused' ? 'The VM is paused.' : null }
  }
  const note =
    entitlement === 'grace'
      ? 'The subscription is over. The data is kept; renew it to go on.'
      : 'The time to renew is over. The data may be deleted at any time; until then it can be renewed.'
  return power === 'running' ? { state: 'running', note: 'The subscription is over; the VM is being shut down.' } : { state: 'suspended', note }
}

/** How to reach the VM by ssh; null until the guest has reported its host key. */
export function sshOf(row: StoredVm | undefined, host: ApiPorts['host']): VmView['ssh'] {
  if (row?.hostKey == null) return null
  const forwarded = row.addresses.sshPort
  const target =
    forwarded === null
      ? { host: row.addresses.ipv6 ?? row.addresses.ipv4 ?? '', port: 22 }
      : { host: host.mode === 'embedded' ? '127.0.0.1' : new URL(host.origin).hostname, port: forwarded }
  if (target.host === '') return null
  const plain = target.host.replaceAll(/[[\]]/g, '')
  const known = target.port === 22 ? plain : `[${plain}]:${target.port}`
  return {
    user: 'owner',
    host: plain,
    port: target.port,
    command: target.port === 22 ? `ssh owner@${plain}` : `ssh -p ${target.port} owner@${plain}`,
    hostKeyFingerprint: row.hostKey.fingerprint,
    knownHostsLine: `${known} ${row.hostKey.publicKey}`,
  }
}

/** A VM with its subscription, for its holder and the operator. */
export function vmView(subscription: Subscription, contract: ContractFacts, facts: HostFacts, ports: Pick<ApiPorts, 'token' | 'host' | 'vmActions'>): VmView {
  const view = subscriptionView(subscription, contract.latest, ports.token(subscription.token))
  const row = facts.vms.get(view.vmId)
  const record = facts.records === null ? 'unknown' : facts.records.get(view.vmId)
  const task = facts.tasks.get(view.vmId)
  const plan = contract.latest.plans.find((p) => p.planId === subscription.planId)
  const { state, note } = vmState({
    entitlement: view.entitlement,
    confirmed: contract.giving.subscriptions.has(subscription.tokenId),
    record,
    task,
  })
  const snapshots = record === undefined || record === 'unknown' ? [] : [...record.snapshots]
  return {
    vmId: view.vmId,
    hostname: `vm-${view.tokenId}`,
    generation: row?.generation ?? 1,
    state,
    note,
    subscription: view,
    vcpus: row?.vcpus ?? plan?.vcpus ?? 0,
    memoryMiB: row?.memoryMiB ?? plan?.memoryMiB ?? 0,
    diskGiB: row?.diskGiB ?? plan?.diskGiB ?? 0,
    addresses: row?.addresses ?? { ipv4: null, ipv6: null, sshPort: null },
    ssh: sshOf(row, ports.host),
    actions: vmActionSchema.options.map((action) => {
      const reason = ports.vmActions.refusal(action, state, { snapshots })
      return { action, allowed: reason === null, reason }
    }),
    snapshots,
    task: task === undefined ? null : taskView(task),
  }
}
