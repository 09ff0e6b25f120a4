import { getAddress, verifyMessage } from 'ethers'
import type { PublicKey } from 'wireguard-ts/key'
import { z } from 'zod'
import { answerText, requestText, type BrokerRequest } from '../../broker/requests/request.ts'
import type { Clock } from '../../clock/clock.ts'
import { errorCatalogue, type ErrorCode } from '../../errors/catalogue.ts'
import { AppError } from '../../errors/app-error.ts'
import { nameRequestText, type NameRequest } from '../../broker/names/name-request.ts'
import { brokerAnswerSchema, grantOf } from './answer-grant.ts'
import type { BrokerOffer } from './choice.ts'
import type { BrokerName, Grant } from './grant.ts'
import { nextSequence } from './sequence.ts'
import type { BrokerService } from './ports.ts'

/** A broker by registry or answer file: where it is and who speaks for it. */
export interface KnownBroker extends BrokerName {
  /** `https://…`; its signed HTTP path. */
  url: string
  /** Signs its answers. */
  agent: string
  /** As the registry says; from an answer file 0 and free. */
  capacity: 0 | 1 | 2
  pricePerDay: bigint
}

export interface HttpServiceOptions {
  /** Asked at each choice: the registry may have changed. */
  known(): Promise<readonly KnownBroker[]>
  chainId: number
  /** The installation's contract. */
  contract: string
  /** `personal_sign` by the provisioner. */
  sign(text: string): Promise<string>
  /** The host's key for a broker; the same at each call. */
  publicKey(brokerId: string): Promise<PublicKey>
  clock: Clock
  timeoutMs?: number
}

/** What a request about names asks, without its envelope. */
type NameWish =
  | { verb: 'name'; label: string; address: string }
  | { verb: 'unname'; label: string }
  | { verb: 'prove'; label: string; value: string }

const statusSchema = z.object({
  region: z.string().max(100),
  broker: z.object({ wireguardKey: z.string() }),
  terms: z.object({ termSeconds: z.number() }),
  serving: z.boolean(),
})
const answerSchema = z.object({ answer: brokerAnswerSchema, signature: z.string() })
const namedSchema = z.looseObject({ label: z.string() })
const problemSchema = z.object({ code: z.string(), detail: z.string().max(1000) })

/** More than this is no answer. */
const maxBytes = 65_536

/** Brokers by their signed HTTP path. What they say is parsed here; whether it can be used is `checkGrant`'s. */
export function createHttpService(options: HttpServiceOptions): BrokerService {
  const { clock } = options
  async function ask(known: KnownBroker, fields: Pick<BrokerRequest, 'verb' | 'prefixLength'>): Promise<Grant> {
    const now = clock.now()
    const status = await call(known, '/v1/status', statusSchema)
    const request: BrokerRequest = {
      v: 1,
      broker: status.broker.wireguardKey,
      chainId: options.chainId,
      contract: options.contract,
      wireguardKey: await options.publicKey(known.id),
      presharedKey: true,
      sequence: nextSequence(now),
      issuedAt: now,
      expiresAt: now + 300,
      ...fields,
    }
    const body = JSON.stringify({ request, signature: await options.sign(requestText(request)) })
    const { answer, signature } = await call(known, '/v1/requests', answerSchema, body)
    if (signerOf(answerText(request, answer), signature) !== known.agent) {
      throw refusal(known, 'Its answer is not signed by the agent that the registry names.')
    }
    return grantOf(known, answer, now)
  }

  /** Throws `broker-offer-refused` for what is no answer, and the broker's own refusals by their code. */
  async function call<T>(known: KnownBroker, path: string, schema: z.ZodType<T>, body?: string): Promise<T> {
    const signal = AbortSignal.timeout(options.timeoutMs ?? 10_000)
    let status: number
    let text: string
    try {
      const answer = await fetch(new URL(path, known.url), {
        signal,
        redirect: 'error',
        ...(body !== undefined && { method: 'POST', body, headers: { 'content-type': 'application/json' } }),
      })
      status = answer.status
      text = await limited(answer)
    } catch (cause) {
      throw new AppError({
        code: 'broker-offer-refused',
        detail: `${known.url} does not answer.`,
        hint: 'It is tried again later.',
        cause,
      })
    }
    const json = parsed(text)
    if (status === 200) {
      const read = schema.safeParse(json)
      if (read.success) return read.data
      throw refusal(known, `It answered what is no answer (${read.error.issues[0]?.path.join('.') ?? 'not JSON'}).`)
    }
    const problem = problemSchema.safeParse(json)
    if (problem.success && Object.hasOwn(errorCatalogue, problem.data.code)) {
      throw new AppError({ code: problem.data.code as ErrorCode, detail: problem.data.detail })
    }
    throw refusal(known, `It answered with status ${status}.`)
  }

  async function askName(grant: Grant, fields: NameWish): Promise<void> {
    const known = await find(grant.broker.id)
    const now = clock.now()
    const request: NameRequest = {
      v: 1,
      broker: grant.publicKey,
      chainId: options.chainId,
      contract: options.contract,
      sequence: nextSequence(now),
      issuedAt: now,
      expiresAt: now + 300,
      ...fields,
    }
    const body = JSON.stringify({ request, signature: await options.sign(nameRequestText(request)) })
    await call(known, '/v1/names', namedSchema, body)
  }

  const find = async (id: string): Promise<KnownBroker> => {
    const found = (await options.known()).find((one) => one.id === id)
    if (found === undefined) throw new AppError({ code: 'not-found', detail: `No broker ${id} is known any more.` })
    return found
  }

  return {
    async offers() {
      return await Promise.all(
        (await options.known()).map(async (known): Promise<BrokerOffer> => {
          const { id, pool, capacity, pricePerDay } = known
          const base = { name: { id, pool }, capacity, pricePerDay }
          try {
            await call(known, '/v1/status', statusSchema)
            // the first one pays for name and connection
            const began = clock.monotonicMs()
            const { region, terms, serving } = await call(known, '/v1/status', statusSchema)
            return { ...base, region, termSeconds: terms.termSeconds, active: serving, latencyMs: clock.monotonicMs() - began }
          } catch {
            return { ...base, region: '', termSeconds: Infinity, active: true, latencyMs: undefined }
          }
        }),
      )
    },
    async request(offer, { prefixLength }) {
      return await ask(await find(offer.name.id), { verb: 'request', prefixLength })
    },
    async renew(grant) {
      return await ask(await find(grant.broker.id), { verb: 'renew' })
    },
    async release(grant) {
      await ask(await find(grant.broker.id), { verb: 'release' })
    },
    name: (grant, label, address) =>
      askName(grant, address === undefined ? { verb: 'unname', label } : { verb: 'name', label, address }),
    prove: (grant, label, value) => askName(grant, { verb: 'prove', label, value }),
  }
}

function signerOf(text: string, signature: string): string | undefined {
  try {
    return getAddress(verifyMessage(text, signature))
  } catch {
    return undefined
  }
}

async function limited(answer: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of answer.body ?? []) {
    size += part.length
    if (size > maxBytes) throw new TypeError('the answer is too long')
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refusal(known: KnownBroker, detail: string, cause?: unknown): AppError {
  return new AppError({ code: 'broker-offer-refused', detail: `${known.id}: ${detail}`, cause })
}
