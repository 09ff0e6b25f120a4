import type { UnixSeconds } from '../clock/clock.ts'
import type { Address, Plan, Subscription } from './subscription.ts'

/** A block as we name it: always with its hash, so that a read can be pinned to it (EIP-1898). */
export interface BlockRef {
  number: number
  hash: string
  timestamp: UnixSeconds
}

/** How settled a block is. `giving`: `confirmations` deep (1 = the newest block itself); `finalized`: for taking (design §6). */
export type Depth = 'latest' | 'giving' | 'finalized'

/** All of one contract at one block: every subscription that is not ended. Replaces the former one as a whole. */
export interface ChainSnapshot {
  installation: string
  contract: Address
  depth: Depth
  block: BlockRef
  nextTokenId: bigint
  subscriptions: ReadonlyMap<bigint, Subscription>
  plans: readonly Plan[]
  owner: Address
  treasury: Address
  provisioner: Address
  buyingPaused: boolean
  /** Holder of pass 0: the operator. */
  operator: Address
}

/** Where a read stands when it is used for taking or login. */
export interface Heads {
  latest: BlockRef
  giving: BlockRef
  finalized: BlockRef
  /** `latest` is older than 10 minutes by our clock: nothing is taken. */
  stale: boolean
  /** Stale, but two RPCs name the same `latest`: the chain itself stands still and logins go on. */
  standing: boolean
  /** Number of RPCs that agreed (1: standing issue `single-rpc`). */
  agreeing: number
}

/** Reads of one contract on one chain. All throw AppError `rpc-unreachable`, `chain-inconsistent`, `wrong-chain`, `contract-missing`. */
export interface ChainReader {
  readonly chainId: number
  readonly contract: Address
  readonly installation: string
  heads(): Promise<Heads>
  snapshot(depth: Depth): Promise<ChainSnapshot>
  /** One subscription pinned to one block; `ended` ones too. Undefined only if the id was surely never sold. */
  subscription(tokenId: bigint, at: BlockRef): Promise<Subscription | undefined>
  /** Many of them, in the order asked; the same promises. */
  subscriptions(tokenIds: readonly bigint[], at: BlockRef): Promise<(Subscription | undefined)[]>
  /**
   * For taking: the subscription at `finalized` and at `latest`, asked of two RPCs where configured. Throws
   * `chain-inconsistent` or `chain-stale` rather than answer in doubt.
   */
  subscriptionForTaking(tokenId: bigint): Promise<{ finalized: Subscription; latest: Subscription; finalizedBlock: BlockRef }>
  /** For login: at `giving` and at `latest` (design §8). `stale` is for the caller to deny. */
  subscriptionForLogin(
    tokenId: bigint,
  ): Promise<{ giving: Subscription | undefined; latest: Subscription | undefined; heads: Heads }>
  /** Wakes the loop on new blocks or logs of the contract; may miss, never lies. Returns what ends the watch. */
  watch(wake: () => void): () => void
}

/** A transaction's fate as the nonce manager knows it. */
export type TransactionOutcome =
  | { state: 'pending'; hash: string }
  | { state: 'mined'; hash: string; blockNumber: number; succeeded: boolean }
  | { state: 'refused'; reason: string }

/**
 * What the hot key on the host may do. Each call is idempotent per (verb, tokenId): a persisted intent is resumed, never
 * doubled; replaced with a higher fee under the caps (`fee-cap`), `no-funds` when the key is dry. Resolves when mined;
 * whether it holds at a depth is for the snapshot to tell.
 */
export interface Provisioner {
  readonly address: Address
  activate(tokenId: bigint, signal?: AbortSignal): Promise<TransactionOutcome>
  reject(tokenId: bigint, signal?: AbortSignal): Promise<TransactionOutcome>
  end(tokenId: bigint, signal?: AbortSignal): Promise<TransactionOutcome>
  balance(): Promise<bigint>
  /** Takes up unfinished transactions after a restart. */
  resume(): Promise<void>
}
