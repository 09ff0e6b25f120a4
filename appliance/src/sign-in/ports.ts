import type { KeyObject } from 'node:crypto'
import type { Heads } from '../chain/port.ts'
import type { Subscription } from '../chain/subscription.ts'
import type { Clock } from '../clock/clock.ts'
import type { AuditRepository } from '../store/audit.ts'
import type { LoginOutcomeRepository } from '../store/login-outcomes.ts'
import type { RateLimitRepository } from '../store/rate-limits.ts'
import type { VmRepository } from '../store/vms.ts'

/** One contract that the host serves, as login reads it: `ChainReader` fits. */
export interface LoginChain {
  /** Both depths, read now. Throws AppError `rpc-unreachable`, … */
  subscriptionForLogin(
    tokenId: bigint,
  ): Promise<{ giving: Subscription | undefined; latest: Subscription | undefined; heads: Heads }>
}

/** What the newest block says of one subscription, from memory. */
export interface LatestFacts {
  /** Undefined: ended, or never sold. */
  subscription: Subscription | undefined
  block: { number: number; timestamp: number }
  /** Too old to let anybody in (design §6). */
  stale: boolean
}

/** The newest block, kept in memory by whoever follows the chain. */
export interface LatestChain {
  /** Address of the contract of an installation in lower case, or undefined if it is not served. */
  contract(installation: string): string | undefined
  /** Undefined while nothing has been read, or for a contract that is not served. */
  latest(installation: string, tokenId: bigint): LatestFacts | undefined
  /** Calls on every change of the newest block or of what it says. Returns what ends it. */
  onChange(listener: () => void): () => void
}

/** What signing in needs of the rest of the host. All of it is small enough to stand in memory in tests. */
export interface SignInPorts {
  clock: Clock
  /** The one public origin. */
  origin: string
  chainId: number
  mode: 'embedded' | 'installed'
  /** The contract of an installation, or undefined if it is not served. */
  chain(installation: string): LoginChain | undefined
  latestChain: LatestChain
  /** Whether VMs of other wallets than this (null: of any) can dial the host's loopback: embedded mode, which isolates nothing. */
  loopbackIsShared(this: void, wallet: string | null): boolean
  vms: Pick<VmRepository, 'get' | 'mark' | 'useSecret'>
  outcomes: Pick<LoginOutcomeRepository, 'record' | 'get'>
  audit: Pick<AuditRepository, 'append'>
  rateLimits: Pick<RateLimitRepository, 'hit'>
  /** Private half of the host's Ed25519 statement key. */
  statementKey: KeyObject
  /** One line for the log of the daemon; never with a secret. */
  log(line: string): void
}
