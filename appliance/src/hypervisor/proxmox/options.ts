import type { Clock } from '../../clock/clock.ts'
import type { Bridge, Network, PoolId, StorageId } from './formats.ts'
import type { ApiToken, Way } from './open-client.ts'

/** Where this driver works, as setup found it out. */
export interface ProxmoxOptions {
  ways: readonly Way[]
  token: ApiToken
  clock: Clock
  /** Pool that all VMs of ours are in: the token's rights end there. */
  pool: PoolId
  /** Disks of VMs and templates. */
  diskStorage: StorageId
  /** Seeds and images under way; lists `iso` and `import`. */
  mediaStorage: StorageId
  /** Bridge of Linux, or vnet, of the guests; on every node. */
  bridge: Bridge
  /** Zone of the bridge, as enrolment saw it. */
  zone?: string
  /** Ids that are ours, the last one included. */
  vmids: { from: number; to: number }
  /** Where guests reach this host: gateway, DNS, login endpoint `address:port`. */
  loginEndpoint: string
  /** Networks that guests have addresses of; other guests there are kept away. */
  guestNetworks: readonly Network[]
  /** True where the datacenter firewall was seen to be on at enrolment. */
  firewall: boolean
  /** Nodes that the configuration names; a cluster that has others has changed. */
  nodeNames?: readonly string[]
  /** Intents and tasks, kept over restarts. */
  journalFile?: string
  /** 1 is real time; tests take less. */
  pace?: number
}

/** The range that enrolment keeps other tools out of. */
export const defaultVmids = { from: 10_000, to: 10_999 } as const
