import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { frame, maxDatagramBytes, Unframer } from './framing.ts'

suite('udp-over-tcp framing', () => {
  test('a stream cut at every byte gives the same datagrams, also empty and largest ones', () => {
    const datagrams = [Buffer.alloc(0), Buffer.from([1]), Buffer.alloc(300, 2), Buffer.alloc(0), Buffer.from('end')]
    const stream = Buffer.concat(datagrams.map(frame))
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const unframer = new Unframer()
      const got = [...unframer.push(stream.subarray(0, cut)), ...unframer.push(stream.subarray(cut))]
      assert.deepEqual(got, datagrams, `cut at ${cut}`)
      assert.equal(unframer.waiting, 0)
    }
    const unframer = new Unframer()
    const bytewise = [...Buffer.concat([frame(Buffer.alloc(maxDatagramBytes, 3)), stream])].flatMap((byte) =>
      unframer.push([byte] as unknown as Uint8Array),
    )
    assert.deepEqual(bytewise, [Buffer.alloc(maxDatagramBytes, 3), ...datagrams])
  })

  test('any datagrams in any pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 2000 }), { maxLength: 20 }), fc.array(fc.nat(3000)), (datagrams, cuts) => {
        const stream = Buffer.concat(datagrams.map(frame))
        const unframer = new Unframer()
        const got: Buffer[] = []
        let at = 0
        for (const cut of [...cuts, stream.length]) {
          got.push(...unframer.push(stream.subarray(at, at + cut)))
          at = Math.min(stream.length, at + cut)
        }
        assert.deepEqual(
          got,
          datagrams.map((datagram) => Buffer.from(datagram)),
        )
      }),
    )
  })

  test('a chunk that is reused afterwards changes nothing that was handed out', () => {
    const unframer = new Unframer()
    const chunk = frame(Buffer.from('abc'))
    const [got] = unframer.push(chunk)
    chunk.fill(0)
    assert.equal(String(got), 'abc')
  })
})
