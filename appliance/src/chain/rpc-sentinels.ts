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
const blockMethods = new Set(['eth_getBlockByNumber', 'eth_getBlockByHash'])

/** The faults by name; each factory is called once per address, so what it remembers belongs to that address. */
export const sentinels = {
  /** Never answers. */
  'sentinel-timeout': () => never,
  /** HTTP 502 (played by the server). */
  'sentinel-down': () => (call, next) => next(call),
  /** Refuses requests that hold several calls (played by the server). */
  'sentinel-no-batches': () => (call, next) => next(call),
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
  /** Says that it took a broadcast and forgets it. */
  'sentinel-swallow': () => (call, next) =>
    call.method === 'eth_sendRawTransaction' ? say(Transaction.from(String(call.params[0])).hash) : next(call),
  /** Knows no receipts. */
  'sentinel-lost-receipts': () => (call, next) => (call.method === 'eth_getTransactionReceipt' ? say(null) : next(call)),
} as const satisfies Record<string, () => Sentinel>
