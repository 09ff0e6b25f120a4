import type { EventFragment, Interface, ParamType } from 'ethers'

/** A log of the contract with its values by name: integers as bigint, addresses and bytes in lower case with `0x`. */
export interface DecodedEvent {
  name: string
  args: Record<string, unknown>
}

const word = /^(uint\d*|address|bool|bytes32)$/

/**
 * Decodes logs of one contract. ethers hashes the signature of every event anew for each log and makes a proxy of what it found:
 * 20,000 logs took seconds in which the daemon answered nobody. Events of words alone are read here; the few others by ethers.
 * Source: Solidity ABI specification, "Events".
 */
export class EventDecoder {
  readonly #abi: Interface
  readonly #events = new Map<string, { fragment: EventFragment; words: boolean }>()

  constructor(abi: Interface) {
    this.#abi = abi
    abi.forEachEvent((fragment) => {
      const words = fragment.inputs.every(({ type }) => word.test(type))
      if (!fragment.anonymous) this.#events.set(fragment.topicHash, { fragment, words })
    })
  }

  /** Undefined if it is no event of this contract. Throws an error of any kind if it is cut short. */
  decode({ topics, data }: { topics: readonly string[]; data: string }): DecodedEvent | undefined {
    const event = this.#events.get(topics[0]?.toLowerCase() ?? '')
    if (event === undefined) return undefined
    const { fragment, words } = event
    const values = words ? wordsOf(fragment, topics, data) : this.#abi.decodeEventLog(fragment, data, topics)
    const args: Record<string, unknown> = {}
    for (const [i, { name }] of fragment.inputs.entries()) {
      const value: unknown = values[i]
      args[name] = typeof value === 'string' && value.startsWith('0x') ? value.toLowerCase() : value
    }
    return { name: fragment.name, args }
  }
}

function wordsOf({ inputs }: EventFragment, topics: readonly string[], data: string): unknown[] {
  let topic = 1
  let place = 2
  return inputs.map((input) => {
    if (input.indexed) return valueOf(input, topics[topic++]?.slice(2) ?? '')
    place += 64
    return valueOf(input, data.slice(place - 64, place))
  })
}

function valueOf({ type }: ParamType, hex: string): unknown {
  if (!/^[0-9a-f]{64}$/i.test(hex)) throw new RangeError('a word of the log is missing')
  if (type === 'address') return `0x${hex.slice(24)}`
  if (type === 'bool') return BigInt(`0x${hex}`) !== 0n
  return type === 'bytes32' ? `0x${hex}` : BigInt(`0x${hex}`)
}
