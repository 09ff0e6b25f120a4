import type { Act } from './sign-in-text.ts'
import type { SignedStatement, VerifiedBy } from './statement.ts'

/** The VM that a request concerns, in the generation it was made for. */
export interface RequestVm {
  vmId: string
  installation: string
  /** Lower case. */
  contract: string
  tokenId: bigint
  generation: number
}

/** Who asked and how it proves that it is the asker: the VM's mark, or a hash of what only the browser or CLI knows. */
export type Asker = { kind: 'guest'; mark: string } | { kind: 'browser'; cookieHash: string } | { kind: 'cli'; nonceHash: string }

/** Why a request was denied. `text` is one line of printable ASCII for the person at the terminal. */
export interface DenialReason {
  code: string
  text: string
}

/** A signature that was found good. `statement` is absent for the act `session`: it proves an address and nothing else. */
export interface ApprovedBy {
  /** Lower case. */
  signer: string
  signature: string
  verifiedBy: VerifiedBy
  statement: SignedStatement | null
  /** Monotonic milliseconds when the right was last looked up. */
  checkedMs: number
}

/** Where a request stands. All but the first two are final. */
export type RequestState =
  | { kind: 'waiting' }
  | { kind: 'needs-reply'; approval: ApprovedBy; replyCode: string; triesLeft: number }
  | { kind: 'approved'; approval: ApprovedBy }
  /** What was approved has been taken; for `shell` the guest may ask again for an answer that got lost. */
  | { kind: 'used'; approval: ApprovedBy }
  | { kind: 'denied'; reason: DenialReason }
  | { kind: 'expired' }

/** A question for a signature. Lives 300 s of the monotonic clock, in memory. */
export interface LoginRequest {
  readonly requestId: string
  /** Without dash. */
  readonly code: string
  readonly act: Act
  readonly vm: RequestVm | null
  /** `SHA256:…`, for `shell` and `certificate:`. */
  readonly hostKey: string | null
  readonly user: string | null
  readonly source: string
  readonly behindLoopbackForward: boolean
  readonly nonce: string
  readonly origin: string
  readonly chainId: number
  /** ISO text, as in the signed text. */
  readonly issuedAt: string
  readonly expiresAt: string
  readonly asker: Asker
  readonly createdMs: number
  /** Somebody opened its page: no flood evicts it any more. */
  opened: boolean
  /** Approvals that did not fit. */
  failures: number
  state: RequestState
}

/** What an asker brings; all else is made by the host. */
export type NewLoginRequest = Pick<
  LoginRequest,
  'act' | 'vm' | 'hostKey' | 'user' | 'source' | 'behindLoopbackForward' | 'nonce' | 'asker'
>
