import assert from 'node:assert/strict'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { suite, test } from 'node:test'
import { findInCapture, readCapture } from './capture.ts'
import { needlesOf } from './needles.ts'

const needles = needlesOf([{ name: 'cookie', value: 'q8-session-of-the-setup-42' }])
const found = (...packets: Buffer[]): string[] => [
  ...new Set(findInCapture(readCapture(pcap(packets)), needles).map(({ where }) => where.replace(/ at \d+$/, ''))),
]

function pcap(packets: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(24)
  head.writeUInt32LE(0xa1b2c3d4, 0)
  head.writeUInt32LE(1, 20)
  return Buffer.concat([
    head,
    ...packets.flatMap((packet) => {
      const record = Buffer.alloc(16)
      record.writeUInt32LE(packet.length, 8)
      record.writeUInt32LE(packet.length, 12)
      return [record, packet]
    }),
  ])
}

function ipv4(protocol: number, bytes: Buffer): Buffer {
  const head = Buffer.alloc(34)
  head.writeUInt16BE(0x0800, 12)
  head[14] = 0x45
  head.writeUInt16BE(20 + bytes.length, 16)
  head[23] = protocol
  head.set([10, 0, 2, 15, 10, 0, 2, 2], 26)
  return Buffer.concat([head, bytes])
}

function tcp(sequence: number, text: string | Buffer, { syn = false, port = 80 } = {}): Buffer {
  const head = Buffer.alloc(20)
  head.writeUInt16BE(50_000, 0)
  head.writeUInt16BE(port, 2)
  head.writeUInt32BE(sequence >>> 0, 4)
  head[12] = 0x50
  head[13] = syn ? 2 : 16
  return ipv4(6, Buffer.concat([head, Buffer.from(text)]))
}

function udp(text: string): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt16BE(40_000, 0)
  head.writeUInt16BE(53, 2)
  return ipv4(17, Buffer.concat([head, Buffer.from(text)]))
}

const stream = 'tcp 10.0.2.15:50000 > 10.0.2.2:80'

suite('a secret in clear is found', () => {
  test('in one packet', () => {
    assert.deepEqual(found(tcp(1, 'Cookie: q8-session-of-the-setup-42\r\n')), [stream, 'packet 1'])
  })
  test('cut over two packets that came in the wrong order, one of them twice, over the end of the sequence numbers', () => {
    const first = 2 ** 32 - 20
    assert.deepEqual(
      found(
        tcp(first, '', { syn: true }),
        tcp(first + 24, 'n-of-the-setup-42'),
        tcp(first + 1, 'Cookie: q8-sessio'),
        tcp(first + 18, 'n-of-t'),
        tcp(first + 18, 'n-of-t'),
      ),
      [],
      'a gap is not closed by bytes that are not there',
    )
    assert.deepEqual(
      found(
        tcp(first, '', { syn: true }),
        tcp(first + 18, 'n-of-the-setup-42'),
        tcp(first + 1, 'Cookie: q8-sessio'),
        tcp(first + 18, 'n-of'),
      ),
      [stream],
    )
  })
  test('over two datagrams', () => {
    assert.deepEqual(found(udp('q8-session-of'), udp('-the-setup-42')), ['udp 10.0.2.15:40000 > 10.0.2.2:53'])
  })
  test('in a frame that is no IP', () => {
    const arp = Buffer.concat([
      Buffer.from('ffffffffffff5254001234560806', 'hex'),
      Buffer.from('....q8-session-of-the-setup-42....'),
    ])
    assert.deepEqual(found(arp), ['packet 1'])
  })
  for (const [name, kind, body] of [
    ['gzip', 'gzip', gzipSync(Buffer.from('{"cookie":"q8-session-of-the-setup-42"}'))],
    ['brotli', 'br', brotliCompressSync(Buffer.from('{"cookie":"q8-session-of-the-setup-42"}'))],
  ] as const) {
    test(`in a body compressed by ${name}, whole and in chunks`, () => {
      const head = `HTTP/1.1 200 OK\r\nContent-Encoding: ${kind}\r\n`
      const whole = Buffer.concat([Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`), body])
      assert.ok(found(tcp(1, whole)).includes(`${stream}, compressed body`))
      const half = body.length >> 1
      const chunk = (part: Buffer): Buffer[] => [Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]
      const chunked = Buffer.concat([
        Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n`),
        ...chunk(body.subarray(0, half)),
        ...chunk(body.subarray(half)),
        Buffer.from('0\r\n\r\n'),
      ])
      assert.ok(found(tcp(1, chunked)).includes(`${stream}, compressed body`))
    })
  }
})

test('the same ports again are a stream of their own; bytes that never came are counted', () => {
  const { streams } = readCapture(
    pcap([tcp(100, '', { syn: true }), tcp(101, 'one'), tcp(110, 'two'), tcp(7000, '', { syn: true }), tcp(7001, 'three')]),
  )
  assert.deepEqual(
    streams.map(({ bytes, missing }) => [bytes.toString(), missing]),
    [
      ['one\0two', 6],
      ['three', 0],
    ],
  )
})

test('what cannot be looked into is not taken for clean', () => {
  assert.throws(() => found(tcp(1, 'HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\n\r\n....')), /compressed by zstd/)
  assert.throws(() => readCapture(Buffer.from('not a capture at all, and long enough for one')), /no pcap/)
  const cut = pcap([tcp(1, 'x')])
  cut.writeUInt32LE(9999, 24 + 12)
  assert.throws(() => readCapture(cut), /not whole/)
})
