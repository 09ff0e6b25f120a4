import type { UnixSeconds } from '../clock/clock.ts'
import type { VmKey } from '../chain/installation.ts'

/** What a hypervisor makes of a VM. Amounts never change after the create. */
export interface VmSpec {
  key: VmKey
  vcpus: number
  memoryMiB: number
  diskGiB: number
  addresses: VmAddresses
  /** `52:54:…`, lower case; derived from the key, stable over generations. */
  mac: string
  /** SHA-256 of the template's content, hex. */
  template: string
  seed: Seed
  /** Kept in the hypervisor's own metadata, so that a lost database loses nothing (design §6). */
  origin: VmOrigin
}

/** Where the VM is reached. Exactly one of `port` (loopback or host forward) and a routed address may be missing. */
export interface VmAddresses {
  ipv4: string | null
  ipv6: string | null
  /** Forward of 127.0.0.1:port (embedded mode) or host:port to the guest's port 22. */
  sshPort: number | null
}

/** Who bought it and where; a pending id that returns with another buyer or block is another purchase. */
export interface VmOrigin {
  buyer: string
  boughtBlock: number
}

/** Contents of the NoCloud seed (sign-in/PROTOCOL.md). */
export interface Seed {
  userData: string
  metaData: string
  networkConfig: string
  /** The text of `freehold.json`. */
  freeholdJson: string
}

/** Facts that Freehold writes into the metadata of a VM after its create. */
export interface VmFacts {
  /** `SHA256:…` of the guest's Ed25519 host key, and the key line itself, once it has reported. */
  hostKey: { fingerprint: string; publicKey: string } | null
  /** True once the intent to activate was persisted: from then on its disk is protected by the taking rule. */
  activating: boolean
}

/** `unknown` is never absence: the hypervisor, node or storage does not answer. */
export type PowerState = 'running' | 'stopped' | 'paused' | 'crashed' | 'unknown'

/** A VM of ours as the hypervisor has it. */
export interface VmRecord {
  key: VmKey
  state: PowerState
  autostart: boolean
  spec: Pick<VmSpec, 'vcpus' | 'memoryMiB' | 'diskGiB' | 'addresses' | 'mac' | 'template' | 'origin'>
  facts: VmFacts
  snapshots: readonly string[]
  /** Its page in the hypervisor's own interface, for the operator; absent where the hypervisor has none (O11). */
  page?: string
}

/** What a hypervisor can do and what it cannot. */
export interface Capabilities {
  name: 'libvirt' | 'proxmox' | 'fake'
  /** `kvm` only after a guest was proven to boot with it. */
  acceleration: 'kvm' | 'tcg' | 'none'
  snapshots: boolean
  console: boolean
  /** False where tenants and source addresses cannot be kept apart (user networking): standing issue `no-isolation`. */
  isolation: boolean
  /** Where a guest dials the login endpoint, `address:port`. */
  loginEndpoint: string
}

/** Disk counts at full size plus what snapshots may grow to. Bytes. */
export interface Capacity {
  diskTotalBytes: number
  diskFreeBytes: number
  /** Free after all that was promised to existing VMs. */
  diskUnpromisedBytes: number
  memoryTotalMiB: number
  memoryUnpromisedMiB: number
  vcpus: number
}

/** Counters since the start of the VM; null where the hypervisor does not tell. */
export interface VmMetrics {
  at: UnixSeconds
  cpuSeconds: number | null
  memoryUsedMiB: number | null
  diskReadBytes: number | null
  diskWrittenBytes: number | null
  networkReceivedBytes: number | null
  networkSentBytes: number | null
}

/** Verbs of the guest agent that Freehold uses. */
export type AgentVerb = 'ping' | 'network' | 'fs-freeze' | 'fs-thaw' | { exec: readonly string[] }

/** Bytes of the serial console, both ways. `close` ends it; it also ends when the VM stops. */
export interface ConsoleStream {
  onData(listener: (bytes: Uint8Array) => void): void
  write(bytes: Uint8Array): void
  onClose(listener: () => void): void
  close(): void
}

/** Progress of a long verb: a phase named in one word and, where known, a share of 0…1. */
export type Progress = (phase: string, share?: number) => void

/** What long verbs take. Aborting leaves the VM absent or whole, never half. */
export interface VerbOptions {
  signal?: AbortSignal
  progress?: Progress
}

/** A template in the store of the hypervisor; immutable, named by the SHA-256 of its content. */
export interface TemplateRecord {
  sha256: string
  sizeBytes: number
  virtualSizeBytes: number
  /** How many disks refer to it, asked of the disks themselves. */
  usedBy: number
  /** Nodes of a cluster that are up and lack it: an import brings it there. Absent where it is wherever it can be. */
  missingOn?: readonly string[]
}

/** What only a person can set right, by level: what is not told of again is gone. `subject`: a node, or a VM as its server names it. */
export interface HypervisorProblem {
  code: 'vm-lock-stuck' | 'clone-left-over' | 'cluster-changed' | 'template-not-on-node'
  subject: string
  /** One sentence, and the command that helps where there is one. */
  detail: string
}

/**
 * What runs VMs. All verbs may be called again after a crash with the same arguments and end in the same world; all refuse a
 * VM without our mark (`vm-foreign`). A fault is never read as absence: they throw `hypervisor-down`, `pool-not-mounted`, …
 */
export interface Hypervisor {
  capabilities(): Promise<Capabilities>
  /**
   * Our VMs only; not to be changed, and the same array may be answered again while nothing changes. Throws `pool-not-mounted` if the
   * marker of a pool is missing, `hypervisor-down` if it does not answer.
   */
  list(): Promise<readonly VmRecord[]>
  /** The VM, or undefined if it surely is not there. */
  find(key: VmKey): Promise<VmRecord | undefined>
  /** Makes disk, seed and domain; leaves it stopped, without autostart. A second call with the same key completes a half-made one. */
  create(spec: VmSpec, options?: VerbOptions): Promise<void>
  /** Starts it and turns autostart on. No-op if running. */
  start(key: VmKey, options?: VerbOptions): Promise<void>
  /** Stops it and turns autostart off. `graceful` asks the guest first and forces after 90 s. No-op if stopped. */
  stop(key: VmKey, how: 'graceful' | 'force', options?: VerbOptions): Promise<void>
  /** Domain, disk, seed, snapshots, sockets, forwards: all gone. No-op if absent. */
  destroy(key: VmKey, options?: VerbOptions): Promise<void>
  /** A fresh disk under the next generation in place of the old one: same addresses and MAC, snapshots deleted. Leaves it stopped. */
  reinstall(from: VmKey, spec: VmSpec, options?: VerbOptions): Promise<void>
  /** At most one snapshot per VM; a new one replaces the old. Of the disk; the VM may run. */
  snapshot(key: VmKey, name: string, options?: VerbOptions): Promise<void>
  /** Back to the snapshot; the VM is stopped for it and left stopped. */
  rollback(key: VmKey, name: string, options?: VerbOptions): Promise<void>
  state(key: VmKey): Promise<PowerState>
  console(key: VmKey): Promise<ConsoleStream>
  metrics(key: VmKey): Promise<VmMetrics>
  agent(key: VmKey, verb: AgentVerb, options?: VerbOptions): Promise<unknown>
  /** Merges facts into the metadata; survives restarts of everything. */
  setFacts(key: VmKey, facts: Partial<VmFacts>): Promise<void>
  /** Copies an image into the store under the hash of its content. Refuses one whose content differs from `sha256` (V8). */
  importTemplate(image: { path: string; sha256: string }, options?: VerbOptions): Promise<TemplateRecord>
  templates(): Promise<TemplateRecord[]>
  /** Refuses while a disk refers to it. */
  removeTemplate(sha256: string): Promise<void>
  capacity(): Promise<Capacity>
  /** For the health page; absent where nothing of the kind can be. */
  problems?(): Promise<readonly HypervisorProblem[]>
  /** Wakes the loop when anything changed; may miss changes, never truth. Returns what ends the watch. */
  watch(wake: () => void): () => void
}
