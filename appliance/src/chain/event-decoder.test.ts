import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { Interface, type EventFragment, type ParamType } from 'ethers'
import { EventDecoder } from './event-decoder.ts'

const decoder = new EventDecoder(subscriptionsInterface)
const events: EventFragment[] = []
subscriptionsInterface.forEachEvent((event) => void events.push(event))

test('every event of the contract reads as ethers reads it', () => {
  assert.ok(events.length > 10)
  for (const event of events) {
    for (let i = 0; i < 20; i += 1) {
      const log = subscriptionsInterface.encodeEventLog(event, event.inputs.map(someValue))
      const parsed = subscriptionsInterface.parseLog({ topics: log.topics, data: log.data })
      const expected = event.inputs.map(({ name }, k) => {
        const value: unknown = parsed?.args[k]
        return [name, typeof value === 'string' && value.startsWith('0x') ? value.toLowerCase() : value]
      })
      assert.deepEqual(decoder.decode(log), { name: event.name, args: Object.fromEntries(expected) as unknown }, event.name)
    }
  }
})

test('what is no event of the contract is none', () => {
  const other = new Interface(['event Other(uint256 a)'])
  assert.equal(decoder.decode(other.encodeEventLog('Other', [1n])), undefined)
  assert.equal(decoder.decode({ topics: [], data: '0x' }), undefined)
})

test('a log that is cut short is refused, not read in part', () => {
  for (const event of events.filter(({ inputs }) => inputs.length > 0)) {
    const { topics, data } = subscriptionsInterface.encodeEventLog(event, event.inputs.map(someValue))
    const cut = data === '0x' ? { topics: topics.slice(0, -1), data } : { topics, data: data.slice(0, 34) }
    assert.throws(() => decoder.decode(cut), event.name)
  }
})

function someValue({ type, baseType, components }: ParamType): unknown {
  if (type === 'address') return `0x${randomBytes(20).toString('hex')}`
  if (type === 'bool') return Math.random() < 0.5
  if (type === 'string') return randomBytes(8).toString('hex')
  if (type === 'bytes32') return `0x${randomBytes(32).toString('hex')}`
  if (baseType === 'tuple') return components?.map(someValue)
  const bits = Number(/^uint(\d+)$/.exec(type)?.[1])
  assert.ok(bits > 0, `a value of ${type} is not made up here`)
  return BigInt(`0x${randomBytes(bits / 8).toString('hex')}`) >> 1n
}
