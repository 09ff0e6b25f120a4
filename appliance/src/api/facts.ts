import { staleAfterSeconds } from '../chain/heads.ts'
import type { ChainSnapshot, Heads } from '../chain/port.ts'
import type { Capabilities, VmRecord } from '../hypervisor/port.ts'
import type { StoredVm } from '../store/vms.ts'
import type { TaskRecord } from '../steps/step.ts'

/** One contract as the chain shows it at both depths. */
export interface ContractFacts {
  latest: ChainSnapshot
  giving: ChainSnapshot
}

/**
 * All that lists and pages are made of, at one moment. A new object takes the place of the former one when anything changes;
 * nothing in it is ever changed. Views are computed once per object.
 */
export interface HostFacts {
  /** The first sells. Empty before setup has deployed one. */
  contracts: readonly ContractFacts[]
  heads: Heads | null
  /** By vmId; without destroyed ones. */
  vms: ReadonlyMap<string, StoredVm>
  /** By vmId; null while the hypervisor does not answer. */
  records: ReadonlyMap<string, VmRecord> | null
  /** The running task of a subject (vmId or `host`). */
  tasks: ReadonlyMap<string, TaskRecord>
  hypervisor: Capabilities | null
  /** Issues that concern everybody. */
  notices: readonly { code: string; title: string }[]
  storefront: { open: true } | { open: false; because: string }
}

export const noFacts: HostFacts = {
  contracts: [],
  heads: null,
  vms: new Map(),
  records: null,
  tasks: new Map(),
  hypervisor: null,
  notices: [],
  storefront: { open: false, because: 'This host is not set up yet.' },
}

/** A value computed at most once per facts object. */
export function perFacts<T>(make: (facts: HostFacts) => T): (facts: HostFacts) => T {
  const made = new WeakMap<HostFacts, T>()
  return (facts) => {
    let value = made.get(facts)
    if (value === undefined) {
      value = make(facts)
      made.set(facts, value)
    }
    return value
  }
}

/** By our clock now, not as it was when the block was read: a node that falls silent makes it stale too. */
export function isStale({ heads }: HostFacts, now: number): boolean {
  return heads === null || ((heads.stale || now - heads.latest.timestamp > staleAfterSeconds) && !heads.standing)
}
