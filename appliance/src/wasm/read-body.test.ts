import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { suite, test } from 'node:test'
import { freeBytes } from './free-bytes.ts'
import { readBody } from './read-body.ts'

const limit = 100

suite('the body of a request', () => {
  test('is refused as soon as it is longer than the limit, or than it said', async () => {
    for (const declared of [undefined, 60]) {
      const payload = new PassThrough()
      const read = readBody(payload, { declared, limit })
      payload.write(Buffer.alloc(60))
      payload.write(Buffer.alloc(60))
      await assert.rejects(read, { code: 'PAYLOAD_TOO_LARGE' })
      payload.destroy(new Error('late'))
    }
  })

  test('one that breaks off is an error, with and without a word why', async () => {
    for (const [error, expected] of [
      [undefined, { code: 'INVALID_REQUEST' }],
      [new Error('reset'), { message: 'reset' }],
    ] as const) {
      const payload = new PassThrough()
      const read = readBody(payload, { declared: 80, limit })
      payload.write(Buffer.alloc(60))
      payload.destroy(error)
      await assert.rejects(read, expected)
    }
  })

  test('comes together as it was sent, and its parts are given back', async () => {
    for (const declared of [undefined, 6]) {
      const payload = new PassThrough()
      const read = readBody(payload, { declared, limit })
      const part = Buffer.from(new Uint8Array([1, 2, 3]).buffer)
      payload.write(part)
      payload.end(Buffer.from(new Uint8Array([4, 5, 6]).buffer))
      assert.deepEqual([...(await read)], [1, 2, 3, 4, 5, 6])
      assert.equal(part.length, declared === undefined ? 3 : 0)
    }
  })

  test('memory that others share is not given back', () => {
    const shared = new Uint8Array([1, 2, 3, 4])
    freeBytes(shared.subarray(1))
    assert.equal(shared.length, 4)
    freeBytes(shared)
    assert.equal(shared.length, 0)
    freeBytes(shared)
  })
})
