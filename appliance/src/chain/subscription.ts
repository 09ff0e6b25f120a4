import type { UnixSeconds } from '../clock/clock.ts'

/** An address in lower case with `0x`. */
export type Address = `0x${string}`
export const zeroAddress: Address = '0x0000000000000000000000000000000000000000'

/** What can be bought. Amounts are in the token's smallest unit per day. */
export interface Plan {
  planId: number
  name: string
  kind: 'vm' | 'wasm'
  vcpus: number
  memoryMiB: number
  diskGiB: number
  gasPerDay: bigint
  graceSeconds: number
  activationDeadlineSeconds: number
  minSeconds: number
  maxSeconds: number
  capacity: number
  /** Slots taken: pending, active, in grace and grace over alike. */
  used: number
  open: boolean
  /** Token address (zero address = native) to price per day; only listed tokens. */
  prices: readonly { token: Address; pricePerDay: bigint }[]
}

/** One purchase as the contract tells it at one block. `state` is the stored one; phases follow from `entitlement`. */
export interface Subscription {
  /** Which contract: first 12 hex digits of keccak256(abi.encode(chainId, contract)). */
  installation: string
  tokenId: bigint
  planId: number
  state: 'pending' | 'active' | 'ended'
  /** The pass's owner now; zero address once ended. */
  holder: Address
  /** Who received the pass at purchase, and in which block: tells a re-used id after a reorganisation (design §6). */
  buyer: Address
  boughtBlock: number
  boughtAt: UnixSeconds
  token: Address
  /** Bought time; the clock starts at activation. */
  seconds: number
  /** Until when `activate` is possible. */
  activationDeadline: UnixSeconds
  /** 0 while pending. */
  activatedAt: UnixSeconds
  expiresAt: UnixSeconds
  graceEndsAt: UnixSeconds
  /** The earning stream: what was paid, from and to when, and how much of it has been settled. */
  paid: bigint
  streamFrom: UnixSeconds
  streamTo: UnixSeconds
  settled: bigint
}

/** True if both tell the same in every field. */
export function sameSubscription(a: Subscription | undefined, b: Subscription | undefined): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined) return false
  for (const name in b) if (a[name as keyof Subscription] !== b[name as keyof Subscription]) return false
  return true
}
