import type { BackupHealth } from '../backup/backups.ts'
import type { Plan } from '../chain/subscription.ts'
import type { UnixSeconds } from '../clock/clock.ts'
import type { Mirror } from '../host/mirrors.ts'
import type { Capacity, HypervisorProblem } from '../hypervisor/port.ts'
import type { BrokerTrouble } from '../network/broker/client.ts'
import type { StandingIssue } from '../vms/standing-issues.ts'

/** What is known of one contract's chain; `heads` undefined: it does not answer. */
export interface ChainHealth {
  installation: string
  name: string
  heads: { latestTime: UnixSeconds; stale: boolean; standing: boolean; agreeing: number } | undefined
  /** Wei of the provisioner key; undefined: could not be asked. */
  balance: bigint | undefined
  provisioner: string
  lowBalance: bigint
  plans: readonly Plan[]
}

/** All that the checks look at, gathered once per look. Whatever could not be asked is undefined, never zero. */
export interface HealthFacts {
  now: UnixSeconds
  chains: readonly ChainHealth[]
  hypervisor:
    | {
        up: true
        name: string
        isolation: boolean
        capacity: Capacity
        snapshots: boolean
        templates: readonly string[]
        /** What it asks a person for. */
        problems?: readonly HypervisorProblem[]
      }
    | { up: false; detail: string }
  /** The template that new VMs are made of; undefined: none is configured. */
  template: string | undefined
  /** Whether freehold-wasmd takes the table of plans; undefined: this host serves no WASM. */
  wasm?: 'up' | 'down'
  /** What stands in the way of public IPv6; undefined: this host has none from brokers. */
  brokers?: readonly BrokerTrouble[]
  /** Of the public address, where this host gets it by itself; `trouble`: why the last try brought none. */
  certificate?: { name: string; until: UnixSeconds; trouble: string | null }
  /** How the sealed backups stand; undefined: nobody asks for them here. */
  backups?: BackupHealth
  /** Mirrors of this machine's disks; undefined: they could not be asked, or are not this host's concern. */
  mirrors?: readonly Mirror[]
  /** What the loop of the VMs found at its last pass. */
  vms: readonly StandingIssue[]
}
