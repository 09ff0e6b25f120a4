import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NameSet } from './name-set.ts'

/** Few high words and few low ones that differ in their last bits alone: names stand in each other's way. */
const name = fc
  .tuple(fc.integer({ min: 0, max: 2 }), fc.constantFrom(0, 1, 2, 1022, 1023, 1024, 1025, 2046, 2047, 0xffffffff, 0xfffffffe))
  .map(([high, low]) => {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt32BE(high)
    bytes.writeUInt32BE(low, 4)
    return bytes
  })

test('a set of names says what a set of strings says, whatever is added and taken', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('add', 'delete', 'has'), name), { maxLength: 200 })
  fc.assert(
    fc.property(steps, (all) => {
      const [names, strings] = [new NameSet(), new Set<string>()]
      for (const [step, bytes] of all) {
        // the one name that stands for a free place is its neighbour
        const text = bytes.toString('hex').replace(/^0{16}$/, '0000000000000001')
        if (step === 'add') {
          names.add(bytes)
          strings.add(text)
        } else if (step === 'delete') assert.equal(names.delete(bytes), strings.delete(text))
        else assert.equal(names.has(bytes), strings.has(text))
        assert.equal(names.size, strings.size)
      }
    }),
  )
})

test('a hundred thousand names are all there, half of them taken away, and nothing else', () => {
  const names = new NameSet()
  const of = (n: number): Buffer => {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt32BE(Math.imul(n, 0x9e3779b1) >>> 0)
    bytes.writeUInt32BE(Math.imul(n ^ 0x5bd1e995, 0x85ebca6b) >>> 0, 4)
    return bytes
  }
  for (let n = 0; n < 100_000; n += 1) names.add(of(n))
  for (let n = 0; n < 100_000; n += 2) assert.ok(names.delete(of(n)))
  assert.equal(names.size, 50_000)
  for (let n = 0; n < 200_000; n += 1) assert.equal(names.has(of(n)), n < 100_000 && n % 2 === 1, String(n))
})
