import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { endpointText, parseCidr, parseEndpoint } from './address.ts'
import { hexToBase64 } from './key.ts'
import { isCanonicalIpv6, readCidr, readCount, readEndpoint, readKey, readWhole } from './uapi-bytes.ts'
import { decodeGet, GetDecoder } from './uapi-codec.ts'

/** Calls a reader on `text` as it stands in the middle of an answer. */
function at<T>(read: (bytes: Buffer, from: number, end: number) => T, text: string): T {
  const bytes = Buffer.from(`allowed_ip=${text}\n1:2`, 'latin1')
  return read(bytes, 11, bytes.length - 4)
}

/** What a function gives, or the code of what it throws. */
function outcome(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return (error as { code?: string }).code ?? error
  }
}

const word = fc.constantFrom('0', '0', '0', '1', 'db8', 'ffff', '8000', '00', 'ABCD', '12345', 'g', '')
const odd = fc
  .tuple(fc.array(word, { maxLength: 9 }), fc.nat(8), fc.constantFrom('/0', '/16', '/63', '/64', '/128', '/129', '/08', ''))
  .map(
    ([words, gap, length]) =>
      `${words.slice(0, gap).join(':')}${gap < words.length ? '::' : ':'}${words.slice(gap).join(':')}${length}`,
  )
/** Right words alone, with many zeros: what is shortened, and where. */
const zeros = fc
  .tuple(fc.array(fc.constantFrom('0', '0', '1', 'ffff'), { minLength: 3, maxLength: 8 }), fc.nat(8))
  .map(([words, gap]) =>
    words.length === 8 ? `${words.join(':')}/128` : `${words.slice(0, gap).join(':')}::${words.slice(gap).join(':')}/128`,
  )
const network = fc.tuple(fc.ipV6(), fc.nat(128)).map(([address, length]) => `${address}/${length}`)

suite('an answer read from its bytes', () => {
  for (const text of ['', '1', '01', '-1', '1.5', '1e3', '0x1', ' 1', '9007199254740993', '99999999999999999999']) {
    test(`reads ${JSON.stringify(text)} as the number it is, or refuses it`, () => {
      if (text === '1') assert.equal(at(readWhole, text), 1)
      else assert.throws(() => at(readWhole, text), { code: 'protocol' })
    })
  }

  for (const hex of ['', '0'.repeat(63), '0'.repeat(65), `${'0'.repeat(63)}g`, `${'a'.repeat(63)}A`, `${'ab'.repeat(31)}a\n`]) {
    test(`refuses ${JSON.stringify(hex)} as a key`, () => assert.throws(() => at(readKey, hex), { code: 'bad-key' }))
  }

  test('a counter keeps all 64 bits, and text in it is refused', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => assert.equal(at(readCount, String(value)), value)),
    )
    for (const text of ['', '-1', '1x', '12345678901234567x', 'NaN'])
      assert.throws(() => at(readCount, text), { code: 'protocol' })
  })

  test('a key is what it is elsewhere', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const hex = Buffer.from(bytes).toString('hex')
        assert.equal(at(readKey, hex), bytes.some((byte) => byte !== 0) ? hexToBase64(hex) : null)
      }),
    )
    assert.equal(at(readKey, '0'.repeat(64)), null)
  })

  test('a network is exactly what the parser makes of it, whether it was canonical or not', () => {
    for (const some of [network, odd, zeros, fc.tuple(fc.ipV4(), fc.nat(33)).map(([a, length]) => `${a}/${length}`)]) {
      fc.assert(
        fc.property(some, (text) =>
          assert.deepEqual(
            outcome(() => at(readCidr, text)),
            outcome(() => parseCidr(text)),
          ),
        ),
        { numRuns: 3000 },
      )
    }
  })

  test('canonical is what the parser would write, nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(network, odd, zeros), (text) => {
        const parsed = outcome(() => parseCidr(text))
        if (at(isCanonicalIpv6, text)) assert.equal(parsed, text)
        if (typeof parsed === 'string' && parsed.includes('/')) assert.ok(at(isCanonicalIpv6, parsed), parsed)
      }),
      { numRuns: 5000 },
    )
  })

  test('an endpoint is exactly what the parser makes of it', () => {
    const text = fc.oneof(
      fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()), fc.nat(70_000)).map(([host, port]) => endpointText({ host, port })),
      fc.constantFrom(
        '1.2.3.4',
        '1.2.3.4:',
        '01.2.3.4:5',
        '1.2.3:5',
        '1.2.3.256:5',
        '1.2.3.4:05',
        '1.2.3.4:5:6',
        '1.2.3.4:5 ',
        ':5',
        '',
      ),
    )
    fc.assert(
      fc.property(text, (one) =>
        assert.deepEqual(
          outcome(() => at(readEndpoint, one)),
          outcome(() => parseEndpoint(one)),
        ),
      ),
      { numRuns: 2000 },
    )
  })

  test('cut at every byte, an answer is the same', () => {
    const key = '0123456789abcdef'.repeat(4)
    const answer = `private_key=${key}\nlisten_port=51820\nfwmark=7\npublic_key=${key}\npreshared_key=${key}\nendpoint=[2a01::1]:9\n\
allowed_ip=2a01:7e00::/32\nrx_bytes=18446744073709551615\nsomething_new=1\nallowed_ip=10.0.0.0/8\nlast_handshake_time_sec=17\n\
public_key=${'ab'.repeat(32)}\nallowed_ip=::/0\ntx_bytes=5\nerrno=0\n\n`
    const whole = decodeGet(answer)
    assert.deepEqual(
      whole.peers.map(({ allowedIps, receivedBytes, sentBytes, lastHandshakeSeconds }) => [
        allowedIps,
        receivedBytes,
        sentBytes,
        lastHandshakeSeconds,
      ]),
      [
        [['2a01:7e00::/32', '10.0.0.0/8'], 2n ** 64n - 1n, 0n, 17],
        [['::/0'], 0n, 5n, 0],
      ],
    )
    for (let cut = 0; cut <= answer.length; cut += 1) {
      const decoder = new GetDecoder()
      decoder.push(Buffer.from(answer.slice(0, cut)))
      decoder.push(Buffer.from(answer.slice(cut)))
      assert.deepEqual(decoder.end(), whole, `cut at ${cut}`)
    }
    const byByte = new GetDecoder()
    for (const byte of Buffer.from(answer)) byByte.push(Buffer.of(byte))
    assert.deepEqual(byByte.end(), whole)
  })
})
