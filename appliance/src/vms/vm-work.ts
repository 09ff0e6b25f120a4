import type { ChainReader, Provisioner } from '../chain/port.ts'
import type { VmKey } from '../chain/installation.ts'
import type { Plan, Subscription } from '../chain/subscription.ts'
import type { Clock } from '../clock/clock.ts'
import type { Hypervisor } from '../hypervisor/port.ts'
import type { AddressTable } from '../network/address-table.ts'
import type { SshdProbe } from '../network/ssh-banner.ts'
import type { VmRepository } from '../store/vms.ts'
import type { Unconfirmed } from '../subscriptions/decide.ts'
import type { DestroyGate } from './destroy-gate.ts'
import type { GuestReports } from './guest-reports.ts'
import type { SeedHost } from './seed.ts'
import type { Slots } from './slots.ts'
import type { VmBooks } from './vm-books.ts'

/** One contract that this host serves. */
export interface ServedContract {
  reader: ChainReader
  provisioner: Provisioner
  /** Place in the daemon's list of contracts: part of IPv6 addresses. Never changes. */
  index: number
}

/** What is the same for all seeds of this host; endpoint and contract are filled in per VM. */
export type SeedIdentity = Pick<SeedHost, 'spkiSha256' | 'statementKey' | 'userCa' | 'guestNet'>

/** Everything that the steps of VMs touch. */
export interface VmPorts {
  hypervisor: Hypervisor
  vms: Pick<VmRepository, 'get'>
  addresses: AddressTable
  reports: GuestReports
  sshd: SshdProbe
  clock: Clock
  seed: SeedIdentity
  /** At least 32 bytes; never leaves the process. */
  masterSecret: Uint8Array
  /** SHA-256 of the template that new VMs are made of. Throws AppError `template-missing`. */
  template(): Promise<string>
}

/** What the steps of one VM work on. `key` names the generation that the job is to leave behind. */
export interface VmWork {
  ports: VmPorts
  books: VmBooks
  contract: ServedContract
  key: VmKey
  /** Set where an older generation gives way to `key`. */
  from?: VmKey
  /** As read at the giving depth when the job began; steps that act read again. */
  subscription?: Subscription
  plan?: Plan
  /** Creates that make disks at the same time (2 per storage). */
  slots: Slots
  gate: DestroyGate
  /** Tells the loop in which block a transaction of ours was mined. */
  readonly mined: (what: Unconfirmed) => void
}
