import { setTimeout as after } from 'node:timers/promises'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { Transaction } from 'ethers'

export interface FrontCall {
  method: string
  params: readonly unknown[]
}
export type FrontReply = { result: unknown } | { error: { code: number; message: string } }
export type Next = (call: FrontCall) => Promise<FrontReply>
/** One fault: answers itself or asks `next`. */
export type Sentinel = (call: FrontCall, next: Next) => Promise<FrontReply>

const refuse = (code: number, message: string): Promise<FrontReply> => Promise.resolve({ error: { code, message } })
const say = (result: unknown): Promise<FrontReply> => Promise.resolve({ result })
const never = (): Promise<FrontReply> => new Promise(() => undefined)
const passOn: Sentinel = (call, next) => next(call)
const slowMs = 400
const blockMethods = new Set(['eth_getBlockByNumber', 'eth_getBlockByHash'])

/** The faults by name; each factory is called once per address, so what it remembers belongs to that address. */
export const sentinels = {
  /** Never answers. */
  'sentinel-timeout': () => never,
  /** Answers each call after 0.4 s. */
  'sentinel-slow': () => async (call, next) => {
    await after(slowMs)
    return next(call)
  },
  /** HTTP 502 (played by the server). */
  'sentinel-down': () => passOn,
  /** HTTP 429 (played by the server). */
  'sentinel-rate-limit': () => passOn,
  /** A page of HTML with HTTP 200, as a captive portal gives it (played by the server). */
  'sentinel-garbage': () => passOn,
  /** Breaks off in the middle of its answer (played by the server). */
  'sentinel-cut': () => passOn,
  /** Refuses requests that hold several calls (played by the server). */
  'sentinel-no-batches': () => passOn,
  /** Serves chain 57005. */
  'sentinel-other-chain': () => (call, next) => (call.method === 'eth_chainId' ? say('0xdead') : next(call)),
  /** Its newest and finalized blocks stay those of the first question. */
  'sentinel-stale': () => {
    const frozen = new Map<string, Promise<FrontReply>>()
    return (call, next) => {
      const tag = String(call.params[0])
      if (call.method !== 'eth_getBlockByNumber' || tag.startsWith('0x')) return next(call)
      const reply = frozen.get(tag) ?? next(call)
      frozen.set(tag, reply)
      return reply
    }
  },
  /** Names other hashes for all blocks. */
  'sentinel-other-history': () => async (call, next) => {
    const reply = await next(call)
    if (!blockMethods.has(call.method) || 'error' in reply || reply.result === null) return reply
    const block = reply.result as { hash: string }
    return { result: { ...block, hash: `0x${block.hash.slice(2).split('').toReversed().join('')}` } }
  },
  /** A chain without finality. */
  'sentinel-no-finalized': () => (call, next) =>
    call.params[0] === 'finalized' ? refuse(-32602, 'unknown block tag finalized') : next(call),
  /** Names a finalized block once and then no more. */
  'sentinel-forgets-finalized': () => {
    let asked = 0
    return (call, next) => {
      if (call.params[0] !== 'finalized') return next(call)
      asked += 1
      return asked === 1 ? next(call) : refuse(-32602, 'unknown block tag finalized')
    }
  },
  /** Has no finalized block to name. */
  'sentinel-null-finalized': () => (call, next) => (call.params[0] === 'finalized' ? say(null) : next(call)),
  /** Calls its newest block finalized. */
  'sentinel-early-finalized': () => (call, next) =>
    call.params[0] === 'finalized' ? next({ ...call, params: ['latest', ...call.params.slice(1)] }) : next(call),
  /** Its newest block is 100 below the real one. */
  'sentinel-old-head': () => async (call, next) => {
    if (call.method !== 'eth_getBlockByNumber' || call.params[0] !== 'latest') return next(call)
    const newest = await next(call)
    if ('error' in newest) return newest
    const number = Math.max(0, Number((newest.result as { number: string }).number) - 100)
    return next({ ...call, params: [`0x${number.toString(16)}`, false] })
  },
  /** Has no code anywhere: another chain under the same id, or one that began anew. */
  'sentinel-no-contract': () => (call, next) =>
    call.method === 'eth_call' || call.method === 'eth_getCode' ? say('0x') : next(call),
  /** Something else stands at every address: it answers each view with one zero. */
  'sentinel-other-contract': () => (call, next) => (call.method === 'eth_call' ? say(`0x${'00'.repeat(32)}`) : next(call)),
  /** Tells every subscription as ended, in well-formed answers. */
  'sentinel-all-ended': () => async (call, next) => {
    const view = subscriptionsInterface.getFunction('subscriptions')
    const data = call.method === 'eth_call' ? (call.params[0] as { data: string }).data : ''
    const reply = await next(call)
    if (view === null || !data.startsWith(view.selector) || 'error' in reply) return reply
    return { result: endedAll(String(reply.result)) }
  },
  /** Everybody is rich. */
  'sentinel-invented-balances': () => (call, next) =>
    call.method === 'eth_getBalance' ? say(`0x${(10n ** 30n).toString(16)}`) : next(call),
  /** The base fee of every block is ten thousand times what it is. */
  'sentinel-fee-spike': () => async (call, next) => {
    const reply = await next(call)
    if (!blockMethods.has(call.method) || 'error' in reply || reply.result === null) return reply
    const block = reply.result as { baseFeePerGas: string }
    return { result: { ...block, baseFeePerGas: `0x${(BigInt(block.baseFeePerGas) * 10_000n).toString(16)}` } }
  },
  /** Answers views as of the block of the first question. */
  'sentinel-old-state': () => {
    let first: unknown
    return (call, next) => {
      if (call.method !== 'eth_call') return next(call)
      first ??= call.params[1]
      return next({ ...call, params: [call.params[0], first] })
    }
  },
  /** Finds no logs. */
  'sentinel-empty-logs': () => (call, next) => (call.method === 'eth_getLogs' ? say([]) : next(call)),
  /** Takes at most 100 blocks in a question for logs. */
  'sentinel-small-windows': () => (call, next) => {
    if (call.method !== 'eth_getLogs') return next(call)
    const { fromBlock, toBlock } = call.params[0] as { fromBlock: string; toBlock: string }
    return Number(toBlock) - Number(fromBlock) >= 100 ? refuse(-32602, 'block range too large') : next(call)
  },
  /** Takes at most 20 ids in a view. */
  'sentinel-small-calls': () => (call, next) => {
    const data = call.method === 'eth_call' ? (call.params[0] as { data: string }).data : ''
    return data.length > 2 + 8 + 64 * 22 ? refuse(-32000, 'out of gas') : next(call)
  },
  /** Refuses every second call as too many. */
  'sentinel-busy': () => {
    let calls = 0
    return (call, next) => {
      calls += 1
      return calls % 2 === 1 ? refuse(-32005, 'too many requests') : next(call)
    }
  },
  /** Never answers a broadcast and forwards none. */
  'sentinel-no-broadcast': () => (call, next) => (call.method === 'eth_sendRawTransaction' ? never() : next(call)),
  /** Fails at every broadcast, which reaches nobody. */
  'sentinel-broken-broadcast': () => (call, next) =>
    call.method === 'eth_sendRawTransaction' ? refuse(-32603, 'internal error') : next(call),
  /** Says that it took a broadcast and forgets it. */
  'sentinel-swallow': () => (call, next) =>
    call.method === 'eth_sendRawTransaction' ? say(Transaction.from(String(call.params[0])).hash) : next(call),
  /** Behind the others, and staying there: an account's transactions as of the first question, none of them known. */
  'sentinel-lagging-account': () => {
    let first: Promise<FrontReply> | undefined
    return (call, next) => {
      if (call.method === 'eth_getTransactionCount') return (first ??= next(call))
      return /^eth_getTransaction(Receipt|ByHash)$/.test(call.method) ? say(null) : next(call)
    }
  },
  /** Knows no receipts. */
  'sentinel-lost-receipts': () => (call, next) => (call.method === 'eth_getTransactionReceipt' ? say(null) : next(call)),
} as const satisfies Record<string, () => Sentinel>

const wordDigits = 64

/** The answer of `subscriptions(ids)` with each sold one told as ended and held by nobody. */
function endedAll(data: string): string {
  const names =
    subscriptionsInterface.getFunction('subscriptions')?.outputs[0]?.arrayChildren?.components?.map((c) => c.name) ?? []
  const [state, holder] = [names.indexOf('state'), names.indexOf('holder')]
  const words = data.slice(2).match(/.{64}/g) ?? []
  for (let start = 2; start < words.length; start += names.length) {
    if (BigInt(`0x${words[start + state]}`) === 0n) continue
    words[start + state] = '3'.padStart(wordDigits, '0')
    words[start + holder] = '0'.repeat(wordDigits)
  }
  return `0x${words.join('')}`
}
