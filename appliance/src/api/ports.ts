import type { Backups } from '../backup/backups.ts'
import type { Clock } from '../clock/clock.ts'
import type { Alerts } from '../health/alerts/alerts.ts'
import type { Capacity, VmMetrics } from '../hypervisor/port.ts'
import type { VmId } from '../chain/installation.ts'
import type { Address } from '../chain/subscription.ts'
import type { PublicIpv6 } from '../network/broker/public-ipv6.ts'
import type { IssueOptions, UserCertificate } from '../sign-in/certificates/issue.ts'
import type { PassWatch } from '../sign-in/pass-watch.ts'
import type { SignIn } from '../sign-in/sign-in.ts'
import type { Sessions } from '../sign-in/sessions.ts'
import type { TaskRecord } from '../steps/step.ts'
import type { TaskEvent } from '../steps/task-store.ts'
import type { Store } from '../store/store.ts'
import type { Consoles } from './consoles.ts'
import type { HostFacts } from './facts.ts'
import type { IssueView } from './schemas/issues.ts'
import type { TaskAction } from '../vms/operations.ts'
import type { WasmHost } from '../wasm/host-client.ts'
import type { ActionFacts } from '../vms/vm-actions.ts'

/** What a page needs to know of a token that prices are in. */
export interface TokenInfo {
  symbol: string
  decimals: number
  /** Understands EIP-2612 permits. */
  permit: boolean
}

/** What the operator's pages need of the host beyond its facts. */
export interface OperatorDesk {
  /** Throws `hypervisor-down`. `snapshots`: whether a disk counts twice. */
  capacity(): Promise<{ capacity: Capacity; snapshots: boolean }>
  /** The key of this host, and the one that waits to take its place. */
  provisioner: Address
  nextProvisioner(): Promise<Address | null>
  /** Makes the next key unless there is one. */
  makeNextProvisioner(): Promise<Address>
  /** Lets through these destroys, which wait for the operator. */
  allowDestroys(vmIds: readonly VmId[]): Promise<void>
  /** Throws `vm-unknown`, `hypervisor-down`. */
  metrics(vmId: VmId): Promise<VmMetrics>
  alerts: Alerts
  backups: Backups
  /** What this host was set up with; no secret. */
  settings: readonly { key: string; value: string }[]
}

/** All that the API needs of the rest of the host. */
export interface ApiPorts {
  clock: Clock
  host: {
    version: string
    mode: 'embedded' | 'installed'
    /** The one public origin. */
    origin: string
    chainId: number
    chainName: string
    confirmations: number
    /** A prefix of its own for VMs. */
    ipv6Prefix?: string
  }
  /** The newest facts; cheap, called at each request. */
  facts(): HostFacts
  /** Static facts of a token, asked of the chain once by whoever binds this. */
  token(address: Address): TokenInfo
  signIn: SignIn
  sessions: Sessions
  /** Makes an SSH certificate: `issueCertificate` under the host's user CA. */
  certify(options: Omit<IssueOptions, 'userCaPath' | 'now'>): Promise<UserCertificate>
  /** The open serial consoles. */
  consoles: Consoles
  /** Who was root in a VM before its holder, and whether the holder keeps it so (L5). */
  passWatch: Pick<PassWatch, 'formerHolder' | 'keep'>
  store: Pick<Store, 'audit' | 'history' | 'idempotency' | 'rateLimits' | 'settings' | 'tasks' | 'transactions' | 'loginOutcomes'>
  /** Undefined before the host is set up. */
  desk?(): OperatorDesk | undefined
  tasks: { subscribe(listener: (event: TaskEvent) => void): () => void; live(kept: TaskRecord): TaskRecord }
  vmActions: {
    /** Begins the work and resolves with its task's id: `beginAction` of vms/operations.ts. Throws `task-running`, `not-in-this-state`. */
    begin(vmId: VmId, action: TaskAction, facts: ActionFacts): Promise<string>
  }
  /** WASM hosting and where its callers reach it; undefined where it is switched off. */
  wasm?(): { url: string; host: WasmHost } | undefined
  /** IPv6 of VMs by brokers; undefined where there is none. */
  publicIpv6?(): PublicIpv6 | undefined
  issues(): Promise<readonly IssueView[]>
  /** One JSON-RPC call to the configured node: `RpcClient.call` fits. Throws AppError `rpc-unreachable`, `rpc-refused` (cause: RpcRefusal). */
  rpc(method: string, params: readonly unknown[]): Promise<unknown>
  /** Whole lines for the log of the daemon: no secret, no address of a wallet's owner beyond what the chain shows. */
  log: { info(fields: object, line: string): void; error(fields: object, line: string): void }
}
