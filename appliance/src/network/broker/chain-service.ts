import { brokerRegistryInterface } from '@freehold/contracts/broker-registry'
import canonicalize from 'canonicalize'
import { z } from 'zod'
import { refusalOfCode } from '../../broker/requests/refusal-codes.ts'
import type { BrokerRequest } from '../../broker/requests/request.ts'
import { generateMessageKey, open, seal, type MessageKey } from '../../broker/requests/seal.ts'
import type { Clock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import { brokerAnswerSchema, grantOf } from './answer-grant.ts'
import type { BrokerOffer } from './choice.ts'
import type { Grant } from './grant.ts'
import { nextSequence } from './sequence.ts'
import type { BrokerService } from './ports.ts'
import type { RegisteredBroker } from './registry-brokers.ts'

/** A question under way: kept before it is sent, so that a kill in between costs no second fee and no answer. */
export const pendingSchema = z.strictObject({
  /** The question's bytes, by which it is found again. */
  question: z.string(),
  /** Opens its answer; base64. */
  publicKey: z.string(),
  privateKey: z.string(),
})
export type Pending = z.output<typeof pendingSchema>

export interface ChainServiceOptions {
  brokers(): Promise<readonly RegisteredBroker[]>
  chainId: number
  registry: string
  /** The installation's contract. */
  contract: string
  /** Who asks: owner or provisioner of the installation. */
  asker: string
  /** Sends one transaction and waits until it is mined. Throws what keeps it from that. */
  send(transaction: { to: string; data: string; value: bigint }): Promise<void>
  /** One JSON-RPC read. */
  call(method: string, params: readonly unknown[]): Promise<unknown>
  /** Block at the giving depth, as a tag or number for reads. */
  givingBlock(): Promise<string>
  pending: { get(key: string): Promise<Pending | undefined>; put(key: string, value: Pending | undefined): Promise<void> }
  publicKey(brokerId: string): Promise<string>
  clock: Clock
  /** How long one answer may take. Default 10 minutes. */
  withinSeconds?: number
  pollMs?: number
}

const openOutcome = 1
const granted = 2

/** Brokers by the registry: sealed questions and answers on chain, for hosts that reach a node and no broker's page. */
export function createChainService(options: ChainServiceOptions): Omit<BrokerService, 'name' | 'prove'> {
  const { clock, chainId, registry, contract, asker } = options
  async function read(name: string, args: readonly unknown[], block: string): Promise<readonly unknown[]> {
    const data = brokerRegistryInterface.encodeFunctionData(name, args)
    const answer = String(await options.call('eth_call', [{ to: registry, data }, block]))
    return brokerRegistryInterface.decodeFunctionResult(name, answer).toArray()
  }

  const place = (brokerId: bigint, direction: 'question' | 'answer') => {
    return { direction, chainId, registry, brokerId, installation: contract, asker }
  }

  /** Our request with exactly this question, or undefined. The newest come last and are looked at first. */
  async function find(brokerId: bigint, question: string, block: string): Promise<Record<string, unknown> | undefined> {
    const [count] = await read('requestCountOf', [brokerId], block)
    for (let end = count as bigint; end > 0n; end -= 50n) {
      const from = end > 50n ? end - 50n : 0n
      const [list] = await read('requestsOf', [brokerId, from, end - from], block)
      const found = (list as Record<string, unknown>[]).find((one) => one['question'] === question)
      if (found !== undefined) return found
    }
    return undefined
  }

  async function ask(broker: RegisteredBroker, fields: Pick<BrokerRequest, 'verb' | 'prefixLength'>): Promise<Grant> {
    const key = `${broker.id} ${fields.verb} ${fields.prefixLength ?? ''}`
    const kept = await options.pending.get(key)
    const standing = kept && (await find(broker.brokerId, kept.question, 'latest'))
    if (kept !== undefined && standing !== undefined) return await answerOf(broker, key, kept)
    const answerKey = await generateMessageKey()
    const now = clock.now()
    // the seal names the broker: its WireGuard key is not known before it has answered
    const request: Omit<BrokerRequest, 'broker'> = {
      v: 1,
      chainId,
      contract,
      wireguardKey: await options.publicKey(broker.id),
      presharedKey: true,
      sequence: nextSequence(now),
      issuedAt: now,
      expiresAt: now + 600,
      answerKey: Buffer.from(answerKey.publicKey).toString('base64'),
      ...fields,
    }
    const sealed = await seal(broker.messageKey, place(broker.brokerId, 'question'), canonicalize(request) ?? '')
    const question = `0x${Buffer.from(sealed).toString('hex')}`
    const pending: Pending = { question, ...encoded(answerKey) }
    await options.pending.put(key, pending)
    const [listed] = await read('listed', [broker.brokerId, contract], 'latest')
    const data = brokerRegistryInterface.encodeFunctionData('ask', [broker.brokerId, contract, broker.termsVersion, question])
    await options.send({ to: registry, data, value: listed === true ? 0n : broker.fee })
    return await answerOf(broker, key, pending)
  }

  /** Waits for the outcome at the giving depth: a grant that a reorganisation may take is none yet. */
  async function answerOf(broker: RegisteredBroker, key: string, pending: Pending): Promise<Grant> {
    const end = clock.monotonicMs() + (options.withinSeconds ?? 600) * 1000
    for (;;) {
      const row = await find(broker.brokerId, pending.question, await options.givingBlock())
      const outcome = Number(row?.['outcome'] ?? openOutcome)
      if (row !== undefined && outcome !== openOutcome) {
        if (outcome !== granted) {
          await options.pending.put(key, undefined)
          const code = refusalOfCode(Number(row['code'])) ?? 'broker-offer-refused'
          throw new AppError({ code, detail: `${broker.id} refused the request ${String(row['requestId'])} (${code}).` })
        }
        const text = await open(decoded(pending), place(broker.brokerId, 'answer'), bytesOf(String(row['answer'])))
        const answer = brokerAnswerSchema.safeParse(parsed(text))
        await options.pending.put(key, undefined)
        if (answer.success) return grantOf(broker, answer.data, clock.now())
        throw new AppError({ code: 'broker-offer-refused', detail: `${broker.id}: It answered what is no answer.` })
      }
      if (clock.monotonicMs() >= end) {
        throw new AppError({
          code: 'timed-out',
          detail: `${broker.id} has not answered on chain yet.`,
          hint: 'It is looked for again; after a day the fee can be taken back.',
        })
      }
      await clock.wait(options.pollMs ?? 3000)
    }
  }

  const known = async (id: string): Promise<RegisteredBroker> => {
    const found = (await options.brokers()).find((one) => one.id === id)
    if (found === undefined) throw new AppError({ code: 'not-found', detail: `No broker ${id} is known any more.` })
    return found
  }

  return {
    async offers() {
      return (await options.brokers()).map(({ id, pool, active, capacity, region, pricePerDay, termSeconds }): BrokerOffer => ({
        name: { id, pool },
        active,
        capacity,
        region,
        pricePerDay,
        termSeconds,
        // nobody is asked on the way: nearness is known only by the tunnel
        latencyMs: 0,
      }))
    },
    request: async (offer, { prefixLength }) => ask(await known(offer.name.id), { verb: 'request', prefixLength }),
    renew: async (grant) => ask(await known(grant.broker.id), { verb: 'renew' }),
    release: async (grant) => void (await ask(await known(grant.broker.id), { verb: 'release' })),
  }
}

function encoded({ publicKey, privateKey }: MessageKey): Pick<Pending, 'publicKey' | 'privateKey'> {
  return { publicKey: Buffer.from(publicKey).toString('base64'), privateKey: Buffer.from(privateKey).toString('base64') }
}

function decoded({ publicKey, privateKey }: Pending): MessageKey {
  return { publicKey: Buffer.from(publicKey, 'base64'), privateKey: Buffer.from(privateKey, 'base64') }
}

function bytesOf(hex: string): Uint8Array {
  return Buffer.from(hex.slice(2), 'hex')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
