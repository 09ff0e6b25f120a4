import { vmIdOf } from '../../chain/installation.ts'
import type { Subscription } from '../../chain/subscription.ts'
import { entitlement } from '../../subscriptions/entitlement.ts'
import type { PowerState, VmRecord } from '../../hypervisor/port.ts'
import type { TaskRecord } from '../../steps/step.ts'
import type { StoredVm } from '../../store/vms.ts'
import type { ContractFacts, HostFacts } from '../facts.ts'
import type { ApiPorts } from '../ports.ts'
import type { SubscriptionView, VmState, VmView } from '../schemas/vms.ts'
import { actionsOf, type ActionFacts } from '../../vms/vm-actions.ts'
import { vmStateOf } from '../../vms/vm-state.ts'
import { subscriptionView } from './subscription-view.ts'
import { taskView } from './task-view.ts'

/** What is going on or wrong, in one sentence; null where the word says it all. */
function noteOf(state: VmState, entitlement: SubscriptionView['entitlement'], power: PowerState | undefined): string | null {
  switch (state) {
    case 'waiting-for-confirmation':
      return 'Waiting until the payment is confirmed.'
    case 'preparing':
      return 'The VM is being prepared.'
    case 'running':
      return null
    case 'stopped':
      return power === 'crashed' ? 'The VM has crashed.' : null
    case 'suspended':
      return 'The subscription is over. The data is kept; renew it to go on.'
    case 'ending':
      return entitlement === 'ended'
        ? 'The subscription has ended; the data is deleted once that is final.'
        : 'The time to renew is over. The data may be deleted at any time; until then it can be renewed.'
    case 'ended':
      return 'The subscription has ended and the data is deleted.'
    case 'missing':
      return 'The VM is not where it should be. The operator has been told; nothing is deleted.'
    case 'unknown':
      return 'The hypervisor does not answer just now; nothing is changed.'
  }
}

/** How to reach the VM by ssh; null until the guest has reported its host key. */
export function sshOf(row: StoredVm | undefined, host: ApiPorts['host']): VmView['ssh'] {
  if (row === undefined || row.hostKey === null) return null
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

/** The one word for a VM, by the newest block and the hypervisor. */
export function vmStateIn(subscription: Subscription, { latest, giving }: ContractFacts, facts: HostFacts): VmState {
  const vmId = vmIdOf(subscription)
  const phase = entitlement(subscription, latest.block.timestamp).kind
  if (facts.tasks.get(vmId)?.kind === 'reinstall' && phase === 'active') return 'preparing'
  const record = facts.records?.get(vmId)
  // of kind WASM: what is bought is there as long as it is paid for
  const serverless = latest.plans.find((p) => p.planId === subscription.planId)?.kind === 'wasm'
  return vmStateOf({
    entitlement: phase,
    confirmed: giving.subscriptions.has(subscription.tokenId),
    vm: serverless
      ? { kind: 'present', power: 'running' }
      : facts.records === null
        ? { kind: 'unknown' }
        : record === undefined
          ? { kind: 'absent' }
          : { kind: 'present', power: record.state },
  })
}

/** A VM with its subscription, for its holder and the operator. */
export function vmView(
  subscription: Subscription,
  contract: ContractFacts,
  facts: HostFacts,
  ports: Pick<ApiPorts, 'token' | 'host' | 'passWatch' | 'publicIpv6'>,
): VmView {
  const view = subscriptionView(subscription, contract.latest, ports.token(subscription.token))
  const row = facts.vms.get(view.vmId)
  const record = facts.records?.get(view.vmId)
  const task = facts.tasks.get(view.vmId)
  const plan = contract.latest.plans.find((p) => p.planId === subscription.planId)
  const serverless = plan?.kind === 'wasm'
  const state = vmStateIn(subscription, contract, facts)
  const action = actionFacts(state, record, task, facts)
  return {
    vmId: view.vmId,
    hostname: `vm-${view.tokenId}`,
    generation: row?.generation ?? 1,
    state,
    note: noteOf(state, view.entitlement, record?.state),
    subscription: view,
    vcpus: row?.vcpus ?? plan?.vcpus ?? 0,
    memoryMiB: row?.memoryMiB ?? plan?.memoryMiB ?? 0,
    diskGiB: row?.diskGiB ?? plan?.diskGiB ?? 0,
    gasPerDay: String(plan?.gasPerDay ?? 0n),
    addresses: addressesOf(row, ports),
    ssh: sshOf(row, ports.host),
    actions: serverless ? actionsOf(action).map(withoutVm) : actionsOf(action),
    snapshots: [...action.snapshots],
    formerHolder: ports.passWatch.formerHolder(row, view.holder),
    task: task === undefined ? null : taskView(task),
    hypervisorPage: null,
  }
}

/** With a broker the address follows its prefix, so it is in no row; the preferred one is shown. */
function addressesOf(row: StoredVm | undefined, ports: Pick<ApiPorts, 'publicIpv6'>): VmView['addresses'] {
  const { ipv4, ipv6, sshPort } = row?.addresses ?? { ipv4: null, ipv6: null, sshPort: null }
  const ofBroker = row === undefined || ipv6 !== null ? undefined : ports.publicIpv6?.()?.addressesOf(row)[0]?.address
  return { ipv4, ipv6: ipv6 ?? ofBroker ?? null, sshPort }
}

/** A subscription of kind WASM has no machine to act on. */
function withoutVm<T extends object>(action: T): T & { allowed: false; reason: string } {
  return { ...action, allowed: false, reason: 'This subscription has no VM: it runs programs.' }
}

/** What the table of actions looks at. */
function actionFacts(state: VmState, record: VmRecord | undefined, task: TaskRecord | undefined, facts: HostFacts): ActionFacts {
  return { state, snapshots: record?.snapshots ?? [], busy: task !== undefined, capabilities: facts.hypervisor ?? undefined }
}

/** The facts that the table needs, from a view that was made a moment ago. */
export function actionFactsOf(view: VmView, facts: HostFacts): ActionFacts {
  return { state: view.state, snapshots: view.snapshots, busy: view.task !== null, capabilities: facts.hypervisor ?? undefined }
}
