import { randomUUID } from 'node:crypto'
import { gasSchedule } from 'wasmtime-node/engine'
import type { Clock } from '../clock/clock.ts'
import type { Credit, Reservation } from './credit.ts'
import type { ExecuteRequest } from './execute-schema.ts'
import type { CallEnd } from './executor/executor.ts'
import type { ExecutorPool } from './executor/executor-pool.ts'
import type { Outcome } from './executor/messages.ts'
import { freeBytes } from './free-bytes.ts'
import type { FairQueue } from './fair-queue.ts'
import type { KeyRing } from './keys/key-ring.ts'
import type { OpenedRequest, Opener } from './opener.ts'
import { refusalOfCode, type Program, type Programs } from './programs.ts'
import { refusalOfQueue } from './queue-refusal.ts'
import { canonicalJson } from './protocol/canonical.ts'
import { commit, type CommitmentScheme } from './protocol/commitment.ts'
import type { RecipientKey } from './protocol/hpke.ts'
import { requestAad } from './protocol/request-binding.ts'
import { sealResponse } from './protocol/response-seal.ts'
import type { ReceiptLog } from './receipt-log.ts'
import type { ReplayGuard } from './replay-guard.ts'
import { WasmRefusal, type WasmErrorCode } from './wasm-error.ts'

export interface WasmServicePorts {
  clock: Clock
  keys: KeyRing
  opener: Pick<Opener, 'open'>
  replay: ReplayGuard
  programs: Programs
  queue: FairQueue
  pool: ExecutorPool
  log: ReceiptLog
  credit: Pick<Credit, 'reserve'>
  limits: {
    maxSeconds: number
    maxMemoryBytes: number
    defaultGas: bigint
    /** Gas that a run may have used beyond what is known: one slice. */
    sliceGas: bigint
    retentionSeconds: number
    scheme: CommitmentScheme
    /** Oldest `issued_at` that is taken. */
    maxAgeSeconds: number
  }
  /** Told of each seal, for metrics. */
  onCrypto?(op: 'open' | 'seal', ok: boolean): void
  /** Told of each end, for metrics. */
  onEnd?(end: {
    code: WasmErrorCode | 'OK'
    gas: bigint
    runMs: number
    queueMs: number
    compileMs: number
    memoryBytes: number
  }): void
}

/** The answer to a run that ended well. */
export interface ExecuteAnswer {
  request_id: string
  encrypted_result: string
  result_commitment: string
  execution_summary: Record<string, unknown>
  receipt: string
}

type Opened = OpenedRequest & { enc: Buffer }

const engineName = 'wasmtime-48'
/** What a call counts at admission beyond the memory it begins with; growth is held by the executors' own budget. */
const admissionBytes = 2 ** 20

const codeOf: Record<Exclude<Outcome['status'], 'returned'>, WasmErrorCode> = {
  trapped: 'WASM_TRAP',
  'out-of-gas': 'GAS_EXHAUSTED',
  deadline: 'EXECUTION_TIMEOUT',
  cancelled: 'EXECUTION_TIMEOUT',
  'memory-exceeded': 'MEMORY_EXCEEDED',
  'no-slot': 'CAPACITY_EXCEEDED',
  'no-memory': 'CAPACITY_EXCEEDED',
  refused: 'INVALID_WASM',
}

/** Opens, admits, runs, signs, seals. One call of `execute` is one request, whatever becomes of it. */
export class WasmService {
  readonly #ports: WasmServicePorts

  constructor(ports: WasmServicePorts) {
    this.#ports = ports
  }

  /**
   * Throws `WasmRefusal`; one whose guest ran carries gas and receipt. `owner` is who pays, and whose cache it is; `onCompiled` as
   * of `Programs.get`.
   */
  async execute(
    request: ExecuteRequest,
    owner: string,
    signal?: AbortSignal,
    requestId: string = randomUUID(),
    onCompiled?: (milliseconds: number) => void,
  ): Promise<ExecuteAnswer> {
    const reserved = this.#reserve(request, owner)
    try {
      const opened = await this.#open(request)
      return await this.#admitted({ request, requestId, owner, opened, reserved, signal, onCompiled }).catch((error: unknown) => {
        if (isBeforeRun(error)) this.#ports.replay.forget(opened.kid, opened.enc)
        throw error
      })
    } finally {
      reserved.release()
    }
  }

  async #admitted(call: {
    request: ExecuteRequest
    requestId: string
    owner: string
    opened: Opened
    reserved: Reservation
    signal: AbortSignal | undefined
    onCompiled: ((milliseconds: number) => void) | undefined
  }): Promise<ExecuteAnswer> {
    const { owner, opened, reserved, signal, onCompiled, ...rest } = call
    const { gasLimit, payer } = reserved
    const program = await this.#ports.programs.get(opened.wasm, owner, onCompiled, opened.sha256)
    freeBytes(opened.wasm)
    const place = await this.#ports.queue.enter(owner, program.minimumMemory + admissionBytes, signal)
    if (place === undefined) throw new WasmRefusal('EXECUTION_TIMEOUT', { detail: 'The caller went away.' })
    if ('kind' in place) throw refusalOfQueue(place)
    try {
      return await this.#run({ ...rest, owner, payer, gasLimit, opened, program, queueMs: place.waitedMs, signal })
    } finally {
      place.release()
    }
  }

  #reserve(request: ExecuteRequest, owner: string): Reservation {
    const { limits, credit } = this.#ports
    const wanted = request.gas_limit === undefined ? limits.defaultGas : BigInt(request.gas_limit)
    if (wanted === 0n) throw new WasmRefusal('INVALID_REQUEST', { detail: 'gas_limit is 0.' })
    return credit.reserve(owner, wanted, Math.min(request.timeout_seconds, limits.maxSeconds))
  }

  /** One word for everything that does not open: whoever guesses learns nothing. */
  async #open(request: ExecuteRequest): Promise<Opened> {
    const { clock, limits, replay, opener } = this.#ports
    const recipients = this.#recipients(request.key_id)
    if (request.issued_at !== undefined && Math.abs(Date.parse(request.issued_at) / 1000 - clock.now()) > limits.maxAgeSeconds) {
      throw new WasmRefusal('INVALID_REQUEST', { detail: 'issued_at is too far from the time here.' })
    }
    const opened = await opener.open({
      recipients,
      enc: request.public_key,
      sealed: request.encrypted_wasm,
      aad: requestAad(request).toString(),
    })
    if (opened === null) return this.#unopened()
    const enc = Buffer.from(request.public_key, 'base64')
    const noted = replay.note(opened.kid, enc)
    if (noted === 'replayed') throw new WasmRefusal('REPLAY_DETECTED')
    if (noted === 'full') throw new WasmRefusal('CAPACITY_EXCEEDED', { retryAfterSeconds: 60 })
    this.#ports.onCrypto?.('open', true)
    return { ...opened, enc }
  }

  #unopened(): never {
    this.#ports.onCrypto?.('open', false)
    throw new WasmRefusal('ENCRYPTION_ERROR')
  }

  #recipients(kid: string | undefined): { kid: string; recipient: RecipientKey }[] {
    if (kid === undefined) return this.#ports.keys.live()
    const found = this.#ports.keys.take(kid)
    if (found.kind === 'key') return [found]
    throw new WasmRefusal(found.kind === 'expired' ? 'KEY_EXPIRED' : 'UNKNOWN_KEY')
  }

  async #run(run: {
    request: ExecuteRequest
    requestId: string
    owner: string
    payer: string
    gasLimit: bigint
    opened: Opened
    program: Program
    queueMs: number
    signal: AbortSignal | undefined
  }): Promise<ExecuteAnswer> {
    const { request, requestId, owner, payer, gasLimit, opened, program, signal } = run
    const { clock, limits, pool, log } = this.#ports
    const seconds = Math.min(request.timeout_seconds, limits.maxSeconds)
    const startedAt = clock.now() * 1000
    const end = await pool.run(
      {
        program: program.name,
        functionName: request.function_name,
        values: request.arguments,
        gasLimit,
        milliseconds: seconds * 1000,
        maxMemoryBytes: limits.maxMemoryBytes,
        region: request.result_region ?? false,
      },
      program.artifact,
      signal,
    )
    if (end.kind === 'refused') throw refusalOfCode(end.code, end.message)
    const facts = factsOf(end, gasLimit, limits.sliceGas, request.result_region ?? false)
    const code = facts.status === 'returned' ? 'OK' : facts.code
    const salt = Buffer.from(opened.salt, 'hex')
    const content = canonicalJson(facts.results)
    const scheme = limits.scheme
    const result = facts.status === 'returned' ? commit(scheme, 'result', content, salt) : null
    const receipt = await log.append({
      receipt: {
        request_id: requestId,
        kid: opened.kid,
        program: opened.program,
        arguments: commit(scheme, 'arguments', canonicalJson(request.arguments), salt),
        result,
        commitment_scheme: scheme,
        gas_used: String(facts.gasUsed),
        gas_exact: facts.gasExact,
        gas_schedule: gasSchedule,
        engine: engineName,
        status: facts.status,
        started_at: startedAt,
        ended_at: clock.now() * 1000,
      },
      owner,
      payer,
      gas: facts.billed,
      code,
      now: clock.now(),
      retentionSeconds: limits.retentionSeconds,
    })
    const summary = {
      status: facts.status,
      gas_used: String(facts.gasUsed),
      gas_exact: facts.gasExact,
      gas_billed: String(facts.billed),
      gas_schedule: gasSchedule,
      engine: engineName,
      memory_bytes: facts.memoryBytes,
      run_ms: Math.round(facts.runMs * 1000) / 1000,
      compile_ms: Math.round(program.compileMs),
      queue_ms: Math.round(run.queueMs),
      effective_timeout_seconds: seconds,
    }
    this.#ports.onEnd?.({
      code,
      gas: facts.billed,
      runMs: facts.runMs,
      queueMs: run.queueMs,
      compileMs: program.compileMs,
      memoryBytes: facts.memoryBytes,
    })
    const plain = canonicalJson({
      results: facts.results,
      salt: opened.salt,
      ...(facts.region !== null && { region: facts.region.toString('base64') }),
      ...(facts.detail !== null && { detail: facts.detail }),
    })
    const commitment = result ?? ''
    const sealed = sealResponse(Buffer.from(opened.secret, 'hex'), opened.enc, plain, {
      requestId,
      resultCommitment: commitment,
      summary,
    })
    this.#ports.onCrypto?.('seal', true)
    const answer = {
      request_id: requestId,
      encrypted_result: sealed.toString('base64'),
      result_commitment: commitment,
      execution_summary: summary,
      receipt,
    }
    if (code === 'OK') return answer
    throw new WasmRefusal(code, {
      facts: answer,
      ...(facts.detail !== null && { detail: `${facts.detail}.` }),
      ...(code === 'CAPACITY_EXCEEDED' && { retryAfterSeconds: 1 }),
    })
  }
}

/**
 * Whether nothing of a call has run that counts: then the very same request may come again, as who is told when to try again, or
 * whose line broke while it waited, does. A call that found no slot or no memory has a receipt of nothing.
 */
function isBeforeRun(error: unknown): boolean {
  return error instanceof WasmRefusal && (error.facts === undefined || error.code === 'CAPACITY_EXCEEDED')
}

interface RunFacts {
  status: string
  code: WasmErrorCode
  gasUsed: bigint
  gasExact: boolean
  /** What is counted: where the gas is not exact, the slice that may be missing is counted too, up to the limit. */
  billed: bigint
  memoryBytes: number
  runMs: number
  results: Outcome['results']
  region: Buffer | null
  detail: string | null
}

/** `region`: bytes of memory were asked for. That they are not where the results say is the call's fault, not the module's. */
function factsOf(end: Exclude<CallEnd, { kind: 'refused' }>, gasLimit: bigint, slice: bigint, region: boolean): RunFacts {
  if (end.kind === 'lost') {
    // nothing is known of a run whose executor died: nothing is billed
    const none = { gasUsed: 0n, gasExact: false, billed: 0n, memoryBytes: 0, runMs: 0, results: null, region: null }
    return { ...none, status: 'lost', code: 'INTERNAL', detail: 'the executor of this run ended; nothing was charged' }
  }
  const { status, gasUsed, gasExact, memoryBytes, runMilliseconds, results, region: bytes, detail } = end.outcome
  const ours = status === 'no-slot' || status === 'no-memory'
  const most = gasExact ? gasUsed : gasUsed + slice
  return {
    status,
    code: status === 'returned' ? 'INTERNAL' : status === 'refused' && region ? 'INVALID_ARGUMENTS' : codeOf[status],
    gasUsed,
    gasExact,
    billed: ours ? 0n : most < gasLimit ? most : gasLimit,
    memoryBytes,
    runMs: runMilliseconds,
    results,
    // over the channel of the executor bytes come as a plain array of them
    region: bytes === null ? null : Buffer.from(bytes),
    detail,
  }
}
