import { AppError } from '../errors/app-error.ts'
import { newCode, parseCode } from './codes.ts'
import { isDirect, type SignerPlace } from './direct.ts'
import type { ApprovedBy, LoginRequest } from './login-request.ts'
import { createLoginRequests, isFinal, type LoginRequests, type RequestCaps } from './login-requests.ts'
import type { SignInPorts } from './ports.ts'
import { signInText } from './sign-in-text.ts'
import { signStatement, textSha256, type VerifiedBy } from './statement.ts'
import { ecdsaVerifier, type WalletVerifier } from './wallet-verifier.ts'
import { whoMay } from './who-may.ts'

/** A request with more approvals that do not fit than this is denied: nobody guesses here. */
const failuresAllowed = 10
const repliesAllowed = 3
/** An approval that is older is looked up again before anything is released: the pass may have moved. */
const freshMs = 10_000

/** What comes of an approval: it has reached the asker, or the asker must send the reply code back. */
export type ApprovalOutcome = { state: 'approved'; replyCode: null } | { state: 'needs-reply'; replyCode: string }

/** The rules of signing in over the open requests. */
export interface SignIn {
  readonly requests: LoginRequests
  /** The request behind a code that still lives. Throws `not-found`, `request-expired`, `request-used`. */
  open(code: string): LoginRequest
  /** The text to sign, rebuilt from the facts of the request. */
  textOf(request: LoginRequest, address: string): string
  /**
   * Whether an approval from there would reach the asker by itself. Without `wallet` as for the one that is expected to sign.
   */
  reachesAsker(request: LoginRequest, place: SignerPlace, wallet?: string): boolean
  /**
   * Takes a signature. Throws `signature-invalid`, `wrong-wallet`, `pass-not-confirmed`, `not-entitled`, `chain-stale`,
   * `request-expired`, `request-used`, or what the chain reader throws. The same approval again gets the same answer.
   */
  approve(code: string, claim: { address: string; signature: string }, place: SignerPlace): Promise<ApprovalOutcome>
  /** *Not me*: ends it at once, whoever asks. No-op if it is denied already. Throws `request-used` after delivery. */
  refuse(code: string, from: string): Promise<void>
  /** The reply code came back through the asker. A wrong one counts; the third ends the request. */
  reply(request: LoginRequest, text: string): void
  /**
   * Releases an approved request to its asker. Rights are looked up again if that was a while ago; the request is `used`
   * afterwards. Undefined if it is not approved (or not any more: see its state).
   */
  release(request: LoginRequest): Promise<ApprovedBy | undefined>
  /** Consumes an approved request for one act, once. Throws `request-used`, `request-expired`, `not-in-this-state`. */
  consume(requestId: string, fits: (request: LoginRequest) => boolean): Promise<{ request: LoginRequest; signer: string }>
  /** Resolves when all outcomes so far are stored: before the store closes. */
  outcomesKept(): Promise<void>
}

/** Makes the sign-in of a host. `verifier` says which wallets can sign. */
export function createSignIn(ports: SignInPorts, options: { verifier?: WalletVerifier; caps?: RequestCaps } = {}): SignIn {
  const verifier = options.verifier ?? ecdsaVerifier
  const requests = createLoginRequests({
    clock: ports.clock,
    origin: ports.origin,
    chainId: ports.chainId,
    ...(options.caps !== undefined && { caps: options.caps }),
    // one after the other: `used` never falls behind the `approved` that it replaces
    onOutcome: (request) => {
      const kept = keepOutcome.bind(null, request, request.state)
      keeping = keeping.then(kept).catch(() => ports.log('the outcome of a sign-in could not be stored'))
    },
  })
  let keeping: Promise<void> = Promise.resolve()

  async function keepOutcome(request: LoginRequest, state: LoginRequest['state']): Promise<void> {
    if (state.kind === 'waiting' || state.kind === 'needs-reply') return
    const signer = 'approval' in state ? state.approval.signer : null
    await ports.outcomes.record({
      requestId: request.requestId,
      act: request.act,
      vmId: request.vm?.vmId ?? null,
      generation: request.vm?.generation ?? null,
      user: request.user,
      source: request.source,
      signer,
      outcome: state.kind,
      reason: state.kind === 'denied' ? state.reason.code : null,
    })
    if (state.kind === 'expired') return
    await ports.audit.append({
      who: signer ?? (state.kind === 'denied' && state.reason.code === 'refused' ? request.source : 'host'),
      what: `sign-in ${request.act.split(':')[0]}`,
      target: request.vm?.vmId ?? 'host',
      result: state.kind === 'denied' ? `denied: ${state.reason.code}` : state.kind,
      transactionHash: null,
    })
  }

  function textOf(request: LoginRequest, address: string): string {
    return signInText({
      act: request.act,
      origin: request.origin,
      address,
      chainId: request.chainId,
      source: request.source,
      code: request.code,
      nonce: request.nonce,
      issuedAt: request.issuedAt,
      expiresAt: request.expiresAt,
      requestId: request.requestId,
      ...(request.vm !== null && { vm: request.vm }),
      ...(request.hostKey !== null && { hostKey: request.hostKey }),
      ...(request.user !== null && { user: request.user }),
    })
  }

  /** A contract wallet may change its mind or its owners between the approval and the release: it is asked again. */
  async function stillSigned(
    request: LoginRequest,
    claim: { signer: string; signature: string; verifiedBy: VerifiedBy; text: string },
  ): Promise<void> {
    if (claim.verifiedBy === 'ecdsa' || request.state.kind === 'waiting') return
    const again = await verifier.verify({ address: claim.signer, text: claim.text, signature: claim.signature })
    if (again !== undefined) return
    requests.deny(request, { code: 'signature-invalid', text: 'The wallet does not stand by its signature any more.' })
    throw new AppError({ code: 'signature-invalid', detail: `${claim.signer} does not stand by its signature any more.` })
  }

  /** Looks the right up now. Throws the refusal, having ended the request where no other wallet could do better. */
  async function vouch(request: LoginRequest, signer: string, signature: string, verifiedBy: VerifiedBy): Promise<ApprovedBy> {
    const text = textOf(request, signer)
    await stillSigned(request, { signer, signature, verifiedBy, text })
    const approval = { signer, signature, verifiedBy, checkedMs: ports.clock.monotonicMs() }
    if (request.vm === null) return { ...approval, statement: null }
    const chain = ports.chain(request.vm.installation)
    if (chain === undefined) throw new AppError({ code: 'vm-unknown', detail: `VM ${request.vm.vmId} is not served here.` })
    const [read, row] = await Promise.all([chain.subscriptionForLogin(request.vm.tokenId), ports.vms.get(request.vm)])
    const generation = row === undefined || row.destroyedAt !== null ? undefined : row.generation
    const verdict = whoMay(signer, { ...read, generation, askedGeneration: request.vm.generation })
    if (!verdict.may) {
      if (verdict.ends) {
        requests.deny(request, verdict.known ? { code: verdict.code, text: terminalText(verdict.detail) } : toStrangers)
      }
      throw new AppError({ code: verdict.code, detail: verdict.detail })
    }
    const statement = signStatement(
      {
        act: request.act,
        textSha256: textSha256(text),
        nonce: request.nonce,
        signer,
        verifiedBy,
        holder: verdict.subscription.holder.toLowerCase(),
        entitlement: 'active',
        activeUntil: verdict.subscription.expiresAt,
        blockNumber: read.heads.latest.number,
        blockHash: read.heads.latest.hash,
      },
      ports.statementKey,
    )
    return { ...approval, statement }
  }

  function reachesAsker(request: LoginRequest, place: SignerPlace, wallet?: string): boolean {
    const { source, behindLoopbackForward, asker, vm } = request
    const cookieHash = asker.kind === 'browser' ? asker.cookieHash : null
    const expected = vm === null ? undefined : ports.latestChain.latest(vm.installation, vm.tokenId)?.subscription?.holder
    return isDirect(
      { source, behindLoopbackForward, seenInGuest: asker.kind === 'guest', cookieHash },
      place,
      ports.loopbackIsShared(wallet ?? expected ?? null),
    )
  }

  function open(text: string): LoginRequest {
    const request = parseCode(text) === undefined ? undefined : requests.byCode(text)
    if (request === undefined) {
      throw new AppError({
        code: 'not-found',
        detail: 'There is no sign-in with this code.',
        hint: 'Compare it with the terminal, or begin again there.',
      })
    }
    return request
  }

  function refuseEnded(request: LoginRequest): void {
    switch (request.state.kind) {
      case 'expired':
        throw new AppError({ code: 'request-expired', detail: `It was good until ${request.expiresAt}.` })
      case 'denied':
        throw new AppError({ code: 'request-used', detail: `It was denied: ${request.state.reason.text}` })
      case 'used':
        throw new AppError({ code: 'request-used', detail: 'It has let somebody in.' })
      case 'waiting':
      case 'needs-reply':
      case 'approved':
    }
  }

  return {
    requests,
    outcomesKept: () => keeping,
    textOf,
    open,
    reachesAsker,
    async approve(code, claim, place) {
      const request = open(code)
      refuseEnded(request)
      const signer = claim.address.toLowerCase()
      const verifiedBy = await verifier.verify({ address: signer, text: textOf(request, signer), signature: claim.signature })
      if (verifiedBy === undefined) {
        request.failures += 1
        if (request.failures >= failuresAllowed && !isFinal(request.state)) {
          requests.deny(request, { code: 'signature-invalid', text: 'Too many signatures that do not fit. Begin again.' })
        }
        throw new AppError({
          code: 'signature-invalid',
          detail: `This is no signature of ${signer} under the text of this sign-in.`,
        })
      }
      const again = sameApproval(request, signer)
      if (again !== undefined) return again
      const approval = await vouch(request, signer, claim.signature, verifiedBy)
      // the chain was asked meanwhile: somebody else may have approved or refused, or the time is over
      requests.sweep()
      const settled = sameApproval(request, signer)
      if (settled !== undefined) return settled
      refuseEnded(request)
      if (request.state.kind !== 'waiting')
        throw new AppError({ code: 'request-used', detail: 'Another wallet has already signed.' })
      if (reachesAsker(request, place, signer)) {
        requests.become(request, { kind: 'approved', approval })
        return { state: 'approved', replyCode: null }
      }
      const replyCode = newCode()
      requests.become(request, { kind: 'needs-reply', approval, replyCode, triesLeft: repliesAllowed })
      return { state: 'needs-reply', replyCode }
    },

    async refuse(code, from) {
      const request = open(code)
      if (request.state.kind === 'denied') return
      refuseEnded(request)
      requests.deny(request, { code: 'refused', text: 'Refused on the sign-in page.' })
      ports.log(`a sign-in was refused from ${from}`)
      return Promise.resolve()
    },

    reply(request, text) {
      const { state } = request
      if (state.kind !== 'needs-reply') return
      if (parseCode(text) === state.replyCode) return requests.become(request, { kind: 'approved', approval: state.approval })
      const triesLeft = state.triesLeft - 1
      if (triesLeft > 0) return requests.become(request, { ...state, triesLeft })
      requests.deny(request, { code: 'reply-wrong', text: 'Three wrong reply codes. Begin again.' })
    },

    async release(request) {
      requests.sweep()
      const { state } = request
      if (state.kind !== 'approved' && state.kind !== 'used') return undefined
      let { approval } = state
      if (ports.clock.monotonicMs() - approval.checkedMs > freshMs) {
        try {
          approval = await vouch(request, approval.signer, approval.signature, approval.verifiedBy)
        } catch (error) {
          // a wallet that has lost the pass meanwhile is a stranger: it learns nothing more
          if (error instanceof AppError && !error.retryable && !isDenied(request)) {
            requests.deny(request, toStrangers)
          }
          if (isDenied(request)) return undefined
          throw error
        }
        requests.sweep()
      }
      if (isDenied(request) || request.state.kind === 'expired') return undefined
      requests.become(request, { kind: 'used', approval })
      return approval
    },

    async consume(requestId, fits) {
      const request = requests.byId(requestId)
      if (request === undefined || !fits(request)) {
        throw new AppError({ code: 'not-found', detail: 'There is no such sign-in of yours.', hint: 'Begin it again.' })
      }
      refuseEnded(request)
      if (request.state.kind !== 'approved') {
        throw new AppError({
          code: 'not-in-this-state',
          detail: 'This sign-in is not approved yet.',
          hint: 'Approve it with your wallet first.',
        })
      }
      const { approval } = request.state
      // taken before the chain is asked again: two at once never both get it
      requests.become(request, { kind: 'used', approval })
      const fresh = await vouch(request, approval.signer, approval.signature, approval.verifiedBy)
      return { request, signer: fresh.signer }
    },
  }
}

/** All that a terminal says to whom the pass does not belong. */
const toStrangers = { code: 'denied', text: 'Denied.' } as const

/** The answer to an approval that this wallet has given already, or undefined. */
function sameApproval({ state }: LoginRequest, signer: string): ApprovalOutcome | undefined {
  if (state.kind === 'needs-reply' && state.approval.signer === signer)
    return { state: 'needs-reply', replyCode: state.replyCode }
  if (state.kind === 'approved' && state.approval.signer === signer) return { state: 'approved', replyCode: null }
  return undefined
}

function isDenied(request: LoginRequest): boolean {
  return request.state.kind === 'denied'
}

/** One line of printable ASCII. */
function terminalText(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, 200)
}
