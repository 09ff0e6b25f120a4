import { compactVerify, importJWK, type JWK } from 'jose'
import { utf8 } from './bytes.ts'
import { opensUnder, standsInLog, verifyReceipt, type InclusionProof, type Receipt } from './receipt.ts'
import {
  canonical,
  reportDataOf,
  sealRequest,
  type Attestation,
  type HostKey,
  type OpenedAnswer,
  type RunRequest,
  type Sealed,
  type SealedAnswer,
} from './seal.ts'

/** What the service said no to. `facts` has what a run that ended badly still tells, gas and receipt: of `run` they are checked. */
export class WasmCallError extends Error {
  readonly code: string
  readonly status: number
  readonly requestId: string
  readonly retryAfterSeconds: number | undefined
  readonly facts: Record<string, unknown>

  constructor(status: number, body: Record<string, unknown>, retryAfterSeconds?: number) {
    super(textOf(body['message']) ?? `the host answered ${status}`)
    this.name = 'WasmCallError'
    this.code = textOf(body['error_code']) ?? 'UNREADABLE'
    this.status = status
    this.requestId = textOf(body['request_id']) ?? '-'
    this.retryAfterSeconds = retryAfterSeconds
    this.facts = body
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** The answer is not what this very request may be answered with. Nothing of it is to be believed. */
export class WasmTrustError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'WasmTrustError'
  }
}

export interface ClientOptions {
  /** Origin of the service, such as `https://wasm.example.org`. */
  url: string
  /** Not needed to check receipts. */
  apiKey?: string
  /**
   * The key that the host signs with, learnt where the host is trusted: its console shows it, and so does an earlier call of
   * `keys`. `first-seen`: whatever it names first is taken and held to as long as this object lives, so what stands between can
   * be anybody at that moment.
   */
  hostKey: JWK | 'first-seen'
  /**
   * Whether this evidence proves what the caller insists on, and is a quote over exactly this report data (32 bytes). Named: nothing
   * is sealed for a key without evidence, nor for one where this says no or rejects. Not named: no host needs any.
   */
  attested?(attestation: Attestation, reportData: Uint8Array): boolean | Promise<boolean>
  fetch?: typeof fetch
}

/** A run that ended well, opened and checked. */
export interface RunResult extends OpenedAnswer {
  requestId: string
  summary: Record<string, unknown>
  /** The signed text; keep it to prove what ran. */
  jws: string
  receipt: Receipt
  /** Key that signed it. */
  hostKey: JWK
}

export interface WasmClient {
  /** The host's keys, held to its signature. Throws WasmTrustError. */
  keys(): Promise<{ keys: HostKey[]; hostKey: JWK }>
  /**
   * Seals, calls, opens, and holds the answer to its receipt: signature, commitments, gas; that of a guest that failed too. Throws
   * WasmCallError for a refusal or a guest that failed, WasmTrustError for an answer that does not hold, TypeError where nothing
   * answers.
   */
  run(wasm: Uint8Array, request: RunRequest, signal?: AbortSignal): Promise<RunResult>
  /**
   * Whether a receipt is the host's and stands in its log, under a head that the host has signed. Throws WasmTrustError for a proof
   * that does not hold; `included` is false where the host gives none: only the key that ran it, or another of its wallet, is told.
   */
  check(jws: string): Promise<{ receipt: Receipt; included: boolean; proof: InclusionProof | undefined }>
}

/** A client of one host, for browsers and Node. */
export function createWasmClient(options: ClientOptions): WasmClient {
  const ask = options.fetch ?? fetch
  let pinned = options.hostKey === 'first-seen' ? undefined : options.hostKey
  // not only a matter of types: whoever names none would hold nothing against anything
  if (pinned === undefined && options.hostKey !== 'first-seen') throw new WasmTrustError('No key of the host is pinned.')

  async function call(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Record<string, unknown>> {
    const answer = await ask(new URL(path, options.url), {
      method,
      headers: {
        accept: 'application/json',
        ...(options.apiKey !== undefined && { 'x-api-key': options.apiKey }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      redirect: 'error',
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal !== undefined && { signal }),
    })
    const said = (await answer.json().catch(() => ({}))) as Record<string, unknown>
    if (answer.ok) return said
    const retry = Number(answer.headers.get('retry-after') ?? Number.NaN)
    throw new WasmCallError(answer.status, said, Number.isNaN(retry) ? undefined : retry)
  }

  async function keys(): Promise<{ keys: HostKey[]; hostKey: JWK }> {
    const document = await call('GET', '/v1/keys')
    const named = (document['host_key'] ?? {}) as JWK
    if (pinned !== undefined && (pinned.x !== named.x || pinned.crv !== named.crv)) {
      throw new WasmTrustError('The host signs with another key than before.')
    }
    const list = document['keys'] as HostKey[]
    if ((await signedText(document['jws'], named)) !== new TextDecoder().decode(canonical({ keys: list }))) {
      throw new WasmTrustError('The keys are not those that the host has signed.')
    }
    pinned ??= named
    return { keys: list, hostKey: named }
  }

  return {
    keys,
    async run(wasm, request, signal) {
      const { keys: offered, hostKey } = await keys()
      const [key] = offered
      if (key === undefined) throw new WasmTrustError('The host offers no key.')
      if (options.attested !== undefined) await insistOn(options.attested, key)
      const sealed = await sealRequest(key, wasm, request)
      const held = (answer: Record<string, unknown>) => heldToReceipt({ answer, sealed, wasm, request, hostKey })
      try {
        const answer = await call('POST', '/v1/execute', sealed.body, signal)
        const ran = await held(answer)
        if (ran.receipt.status !== 'returned') throw new WasmTrustError('The receipt is of another run than the answer.')
        return ran
      } catch (error) {
        // a guest that failed has spent gas, and the receipt of it is as much to be believed as any: no more
        if (error instanceof WasmCallError && ('receipt' in error.facts || 'execution_summary' in error.facts)) {
          const { receipt } = await held(error.facts)
          if (receipt.status === 'returned') throw new WasmTrustError('The receipt says that this run ended well.')
        }
        throw error
      }
    },
    async check(jws) {
      const { hostKey } = await keys()
      const receipt = await signedReceipt(jws, hostKey)
      const path = `/v1/verify/${encodeURIComponent(receipt.request_id)}?commitment_type=receipt&hash_value=${await sha256Hex(jws)}`
      const said = await call('GET', path)
      const proof = said['inclusion_proof'] as InclusionProof | undefined
      if (said['verified'] !== true || proof === undefined) return { receipt, included: false, proof: undefined }
      if (!(await standsInLog(jws, { proof, head: String(said['log_head']) }, hostKey))) {
        throw new WasmTrustError('The proof does not show that the receipt stands in the log.')
      }
      return { receipt, included: true, proof }
    },
  }
}

/** Before anything is sealed: afterwards it is too late to mistrust. */
async function insistOn(attested: NonNullable<ClientOptions['attested']>, key: HostKey): Promise<void> {
  const { attestation } = key
  if (attestation === undefined) throw new WasmTrustError('The host proves nothing about what holds its key.')
  const holds = await (async () => await attested(attestation, await reportDataOf(key)))().catch(() => false)
  if (!holds) throw new WasmTrustError('What the host gives as evidence about its key does not hold.')
}

async function signedReceipt(jws: string, hostKey: JWK): Promise<Receipt> {
  return await verifyReceipt(jws, hostKey).catch(() => {
    throw new WasmTrustError('The receipt is not signed by this host.')
  })
}

/** Opens an answer and holds it to its receipt: that of this program, these arguments, this result, this gas. */
async function heldToReceipt(run: {
  answer: Record<string, unknown>
  sealed: Sealed
  wasm: Uint8Array
  request: RunRequest
  hostKey: JWK
}): Promise<RunResult> {
  const { answer, sealed, wasm, request, hostKey } = run
  const opened = await sealed.open(answer as unknown as SealedAnswer).catch(() => {
    throw new WasmTrustError('The answer does not open: it was changed on its way, or answers another request.')
  })
  const jws = String(answer['receipt'])
  const receipt = await signedReceipt(jws, hostKey)
  const summary = (answer['execution_summary'] ?? {}) as Record<string, unknown>
  const opens = await opensAll(receipt, wasm, request, opened).catch(() => false)
  if (!opens || receipt.request_id !== answer['request_id'] || receipt.gas_used !== summary['gas_used']) {
    throw new WasmTrustError('The receipt is of another run than the answer.')
  }
  return { ...opened, requestId: receipt.request_id, summary, jws, receipt, hostKey }
}

/** A run that failed has no result, and its receipt commits to none. */
async function opensAll(receipt: Receipt, wasm: Uint8Array, request: RunRequest, opened: OpenedAnswer): Promise<boolean> {
  const { commitment_scheme: scheme, program, arguments: args, result, status } = receipt
  if (!(await opensUnder(scheme, program, 'program', wasm, opened.salt))) return false
  if (!(await opensUnder(scheme, args, 'arguments', canonical(request.arguments), opened.salt))) return false
  if (status !== 'returned') return result === null
  return result !== null && (await opensUnder(scheme, result, 'result', canonical(opened.results), opened.salt))
}

/** What was signed with this key; undefined where it was not. */
async function signedText(jws: unknown, key: JWK): Promise<string | undefined> {
  try {
    const { payload } = await compactVerify(String(jws), await importJWK(key, 'EdDSA'), { algorithms: ['EdDSA'] })
    return new TextDecoder().decode(payload)
  } catch {
    return undefined
  }
}

async function sha256Hex(text: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', utf8(text)))
  return [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
