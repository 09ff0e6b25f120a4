import type { Clock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import { newCode, newHexId, parseCode } from './codes.ts'
import { networkOf } from './direct.ts'
import type { Asker, DenialReason, LoginRequest, NewLoginRequest, RequestState } from './login-request.ts'

export const requestSeconds = 300
/** How long an ended request is known at most, so that its page can say how it ended. */
const rememberedSeconds = 600

/** How many requests may be open at once; above it the oldest whose page nobody opened makes room. */
export interface RequestCaps {
  /**
   * Of one source (IPv4, IPv6 /64); for guests: of one source at one VM, as a guest may name any source. Not counted behind user
   * networking, where everybody outside has one address.
   */
  perSource: number
  /** As many as the guest's sshd lets wait (its MaxStartups). */
  perVm: number
  /** Of guests, and again of browsers and CLIs. As many that ended are kept besides, the newest. */
  inAll: number
}

export const defaultCaps: RequestCaps = { perSource: 20, perVm: 400, inAll: 10_000 }

export interface LoginRequestsOptions {
  clock: Clock
  origin: string
  chainId: number
  caps?: RequestCaps
  /** Called once when a request reaches its end (approved counts, as does used after it). */
  onOutcome?(request: LoginRequest): void
}

/** The open questions for signatures. Nothing here is persisted: a restart of the host denies what was open. */
export interface LoginRequests {
  /** Throws `too-many-requests` if the caps are reached by requests whose pages are open. */
  create(request: NewLoginRequest): LoginRequest
  /** By code in any spelling; undefined for codes never given or long forgotten. */
  byCode(code: string): LoginRequest | undefined
  byId(requestId: string): LoginRequest | undefined
  /** Puts it into a further state and wakes who waits. */
  become(request: LoginRequest, state: RequestState): void
  deny(request: LoginRequest, reason: DenialReason): void
  /** Resolves when the request leaves `waiting`, when `ms` have passed or when `signal` aborts. Never rejects. */
  settled(request: LoginRequest, ms: number, signal?: AbortSignal): Promise<void>
  /** The same for the end of the request: nobody can be let in by it any more, or somebody is. */
  ended(request: LoginRequest, ms: number, signal?: AbortSignal): Promise<void>
  /** Expires and forgets. Called by itself at every look; a timer may call it too. */
  sweep(): void
  readonly size: number
}

export function createLoginRequests(options: LoginRequestsOptions): LoginRequests {
  const { clock } = options
  const caps = options.caps ?? defaultCaps
  // insertion order is age: all but `ended` are walked from the oldest
  const byId = new Map<string, LoginRequest>()
  const byCode = new Map<string, LoginRequest>()
  /** Younger than 300 s. */
  const young = new Set<LoginRequest>()
  /** Those that are not final, by each name that they are counted under. */
  const open = new Map<string, Set<LoginRequest>>()
  /** The final ones of each pool, in the order in which they ended. */
  const ended = new Map<string, Set<LoginRequest>>()
  const waiters = new Map<string, Set<() => void>>()

  function wake(request: LoginRequest): void {
    for (const waiter of waiters.get(request.requestId) ?? []) waiter()
  }

  function become(request: LoginRequest, state: RequestState): void {
    const before = request.state.kind
    const wasFinal = isFinal(request.state)
    request.state = state
    if (isFinal(state)) {
      if (!wasFinal) for (const { name } of countsOf(request)) leave(open, name, request)
      if (state.kind !== before) options.onOutcome?.(request)
      keepEnded(request)
    }
    wake(request)
  }

  /** Counts it among those that ended, last; above the cap the oldest of them are forgotten. */
  function keepEnded(request: LoginRequest): void {
    if (!byId.has(request.requestId)) return
    const pool = poolOf(request)
    leave(ended, pool, request)
    const crowd = enter(ended, pool, request)
    for (const oldest of crowd) {
      if (crowd.size <= caps.inAll) return
      forget(oldest)
    }
  }

  function forget(request: LoginRequest): void {
    byId.delete(request.requestId)
    byCode.delete(request.code)
    young.delete(request)
    leave(ended, poolOf(request), request)
  }

  function sweep(): void {
    const now = clock.monotonicMs()
    const isOlder = (request: LoginRequest, seconds: number) => now - request.createdMs >= seconds * 1000
    for (const request of young) {
      if (!isOlder(request, requestSeconds)) break
      young.delete(request)
      // what was approved and not taken has no value any more either
      if (!isFinal(request.state) || request.state.kind === 'approved') become(request, { kind: 'expired' })
    }
    for (const request of byId.values()) {
      if (!isOlder(request, rememberedSeconds)) return
      forget(request)
    }
  }

  /** The names that a request is counted under while it is open, each with its cap. */
  function countsOf(request: NewLoginRequest): { name: string; cap: number }[] {
    return [
      ...(request.behindLoopbackForward ? [] : [{ name: placeOf(request), cap: caps.perSource }]),
      ...(request.vm === null ? [] : [{ name: `vm ${request.vm.vmId}`, cap: caps.perVm }]),
      { name: poolOf(request), cap: caps.inAll },
    ]
  }

  function makeRoom(wanted: NewLoginRequest): void {
    for (const { name, cap } of countsOf(wanted)) {
      const crowd = open.get(name)
      if (crowd !== undefined && crowd.size >= cap) evict(crowd)
    }
  }

  function evict(crowd: ReadonlySet<LoginRequest>): void {
    const victim = crowd.values().find((r) => !r.opened)
    if (victim === undefined) {
      throw new AppError({
        code: 'too-many-requests',
        detail: 'Too many sign-ins are open at once.',
        hint: 'Finish or refuse one of them, or wait five minutes.',
        retryAfterSeconds: requestSeconds,
      })
    }
    become(victim, { kind: 'denied', reason: { code: 'too-many-requests', text: 'Too many sign-ins were begun. Begin again.' } })
  }

  function freshCode(): string {
    for (;;) {
      const code = newCode()
      if (!byCode.has(code)) return code
    }
  }

  /** Waits until a state is `reached`. */
  async function reaching(
    request: LoginRequest,
    ms: number,
    signal: AbortSignal | undefined,
    reached: (state: RequestState) => boolean,
  ): Promise<void> {
    const until = request.createdMs + requestSeconds * 1000
    const left = Math.min(ms, until - clock.monotonicMs())
    if (reached(request.state) || left <= 0 || signal?.aborted === true) return sweep()
    const early = new AbortController()
    const mine = waiters.get(request.requestId) ?? new Set()
    const waiter = (): void => {
      if (reached(request.state)) early.abort()
    }
    waiters.set(request.requestId, mine.add(waiter))
    await clock.wait(left, signal === undefined ? early.signal : AbortSignal.any([early.signal, signal]))
    mine.delete(waiter)
    if (mine.size === 0) waiters.delete(request.requestId)
    sweep()
  }

  return {
    create(wanted) {
      sweep()
      makeRoom(wanted)
      const now = clock.now()
      const request: LoginRequest = {
        ...wanted,
        requestId: newHexId(),
        code: freshCode(),
        origin: options.origin,
        chainId: options.chainId,
        issuedAt: isoSeconds(now),
        expiresAt: isoSeconds(now + requestSeconds),
        createdMs: clock.monotonicMs(),
        opened: false,
        failures: 0,
        state: { kind: 'waiting' },
      }
      byId.set(request.requestId, request)
      byCode.set(request.code, request)
      young.add(request)
      for (const { name } of countsOf(request)) enter(open, name, request)
      return request
    },
    byCode(text) {
      sweep()
      const code = parseCode(text)
      return code === undefined ? undefined : byCode.get(code)
    },
    byId(requestId) {
      sweep()
      return byId.get(requestId)
    },
    become,
    deny: (request, reason) => become(request, { kind: 'denied', reason }),
    settled: (request, ms, signal) => reaching(request, ms, signal, ({ kind }) => kind !== 'waiting'),
    ended: (request, ms, signal) => reaching(request, ms, signal, (state) => isFinal(state) && state.kind !== 'approved'),
    sweep,
    get size() {
      return byId.size
    },
  }
}

/** Nothing that a person does changes it any more. */
export function isFinal(state: RequestState): boolean {
  return state.kind !== 'waiting' && state.kind !== 'needs-reply'
}

/** `2026-11-21T14:27:00Z` */
export function isoSeconds(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString().replace('.000Z', 'Z')
}

function askerName(asker: Asker): string {
  return asker.kind === 'guest' ? asker.mark : 'web'
}

function placeOf(request: NewLoginRequest): string {
  return `place ${askerName(request.asker)} ${networkOf(request.source) ?? request.source}`
}

/** Two of them: strangers in browsers never push out what guests asked for. */
function poolOf({ asker }: NewLoginRequest): string {
  return asker.kind === 'guest' ? 'guests' : 'browsers'
}

function enter(crowds: Map<string, Set<LoginRequest>>, name: string, request: LoginRequest): Set<LoginRequest> {
  const crowd = crowds.get(name) ?? new Set()
  crowds.set(name, crowd.add(request))
  return crowd
}

function leave(crowds: Map<string, Set<LoginRequest>>, name: string, request: LoginRequest): void {
  const crowd = crowds.get(name)
  crowd?.delete(request)
  if (crowd?.size === 0) crowds.delete(name)
}
