import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AbiCoder, ParamType } from 'ethers'
import fc from 'fast-check'
import { readStaticStructs } from './static-structs.ts'

const array = ParamType.from('tuple(uint256 id, address who, bool yes, uint64 at)[]')
const encode = (rows: readonly unknown[][]): string => AbiCoder.defaultAbiCoder().encode([array], [rows])

describe('denials', () => {
  test('denies data that is cut short, too long, or no array', () => {
    const data = encode([[1n, `0x${'11'.repeat(20)}`, true, 5n]])
    for (const wrong of [
      '0x',
      '0x00',
      data.slice(0, -2),
      data.slice(0, -64),
      `${data}00`,
      data.replace('0x00', '0x0g'),
      `${data}${'00'.repeat(32)}`,
    ]) {
      assert.throws(() => readStaticStructs(wrong, array), RangeError)
    }
    assert.throws(() => readStaticStructs(data.replace('20', '40'), array), RangeError)
  })

  test('denies a field that the struct does not have', () => {
    const [first] = readStaticStructs(encode([[1n, `0x${'11'.repeat(20)}`, true, 5n]]), array)
    assert.throws(() => first?.number('when'), RangeError)
  })

  test('denies structs with fields of changing length', () => {
    assert.throws(() => readStaticStructs('0x', ParamType.from('tuple(string name)[]')), RangeError)
    assert.throws(() => readStaticStructs('0x', ParamType.from('uint256')), RangeError)
  })
})

test('reads what the general encoder wrote', () => {
  const row = fc.tuple(
    fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
    fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => `0x${Buffer.from(bytes).toString('hex')}`),
    fc.boolean(),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  )
  fc.assert(
    fc.property(fc.array(row, { maxLength: 20 }), (rows) => {
      const read = readStaticStructs(encode(rows), array).map((struct) => [
        struct.bigint('id'),
        struct.address('who'),
        struct.number('yes') === 1,
        struct.bigint('at'),
      ])
      assert.deepEqual(read, rows)
    }),
  )
})
