import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Wallet, verifyMessage } from 'ethers'
import { generateKeyPair } from 'wireguard-ts/key'
import { publicServer } from './http/public-server.ts'
import { answerText, type BrokerRequest } from './requests/request.ts'
import type { Answer } from './requests/answer.ts'
import { contractOf, keyOf } from './test-broker.ts'
import { startTestRegistry, type TestRegistry } from './test-registry.ts'

describe('signed requests over HTTP', { timeout: 600_000 }, () => {
  let t: TestRegistry
  let app: ReturnType<typeof publicServer>
  before(async () => {
    t = await startTestRegistry()
    const log = { info: () => undefined, error: () => undefined }
    app = publicServer({ broker: t.broker, registry: t.registry, region: 'test-1', sign: (text) => t.agent.sign(text), log })
    await t.list(t.chain.contract, true)
  })
  after(async () => {
    await app.close()
    await t.close()
  })

  let source = 0
  async function post(payload: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
    source += 1
    const headers = { 'x-forwarded-for': `198.51.100.${source % 250}`, 'content-type': 'application/json' }
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/requests',
      headers,
      payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
    })
    return { status: answer.statusCode, body: answer.json() }
  }
  /** Refused with code and what was seen; nothing changed. */
  async function refuses(payload: unknown, code: string, seen: RegExp): Promise<void> {
    const standing = JSON.stringify([t.broker.book.leases.all(), t.dataPath.standing])
    const { body } = await post(payload)
    assert.equal(body['code'], code, JSON.stringify(body))
    assert.match(`${String(body['detail'])} ${JSON.stringify(body['errors'] ?? '')}`, seen)
    assert.ok(typeof body['hint'] === 'string' && body['hint'].length > 5, 'says what to do')
    assert.equal(JSON.stringify([t.broker.book.leases.all(), t.dataPath.standing]), standing)
  }
  const bad = async (fields: Record<string, unknown>) => t.signed(t.request(fields as Partial<BrokerRequest>))

  it('refuses a signer who is neither provisioner nor owner', async () => {
    await refuses(
      await t.signed(t.request(), Wallet.createRandom() as unknown as Wallet),
      'broker-signature-invalid',
      /signed; the provisioner is/,
    )
  })
  it('refuses a signature of another request', async () => {
    const { signature } = await t.signed(t.request())
    await refuses({ request: t.request(), signature }, 'broker-signature-invalid', /signed;/)
  })
  it('refuses a contract that is no installation', async () => {
    await refuses(await bad({ contract: contractOf('none') }), 'broker-signature-invalid', /is no installation/)
  })
  it('refuses an installation that is neither listed nor paying: a deployed contract is no ticket', async () => {
    await t.list(t.chain.contract, false)
    await refuses(await bad({}), 'broker-not-admitted', /not listed and has not paid/)
    await t.list(t.chain.contract, true)
  })
  for (const [what, fields, code, seen] of [
    ['another broker', { broker: keyOf('other broker') }, 'bad-input', /this one is/],
    ['another chain', { chainId: 1 }, 'bad-input', /serves chain 31337, not 1/],
    ['a zero key', { wireguardKey: Buffer.alloc(32).toString('base64') }, 'bad-input', /all zero/],
    ['a key of 33 bytes', { wireguardKey: Buffer.alloc(33, 1).toString('base64') }, 'bad-input', /canonical base64 of 32 bytes/],
    ['a key of 31 bytes', { wireguardKey: Buffer.alloc(31, 1).toString('base64') }, 'bad-input', /canonical base64 of 32 bytes/],
    ['a key in base64url', { wireguardKey: '_'.repeat(43) + '=' }, 'bad-input', /canonical base64/],
    ['a key that is not canonical', { wireguardKey: `${'A'.repeat(42)}B=` }, 'bad-input', /canonical base64/],
    ['a key with a newline', { wireguardKey: `${keyOf('x')}\nallowed_ip=::/0` }, 'bad-input', /canonical base64/],
    ['a newline in the prefix', { prefix: '2001:db8:b00:1::/64\n' }, 'bad-input', /no address|no host bits/],
    ['a prefix of documentation outside the pool', { prefix: '3fff::/64' }, 'bad-input', /documentation/],
    ['a ULA prefix', { prefix: 'fd00::/64' }, 'bad-input', /unique local/],
    ['a link-local prefix', { prefix: 'fe80::/64' }, 'bad-input', /link-local/],
    ['a 6to4 prefix', { prefix: '2002::/64' }, 'bad-input', /6to4/],
    ['the broker’s own prefix', { prefix: '2001:db8:b00::/64' }, 'bad-input', /broker's own/],
    ['a size that is not offered', { prefixLength: 48 }, 'bad-input', /\/48 is not offered/],
    [
      'a clock a year ahead',
      { issuedAt: 1_900_000_000 * 2, expiresAt: 1_900_000_000 * 2 + 60 },
      'broker-clock-off',
      /here it is 20/,
    ],
    ['a clock a year behind', { issuedAt: 1_700_000_000, expiresAt: 1_700_000_060 }, 'broker-clock-off', /here it is 20/],
    ['a request good for a day', { expiresAt: 2 ** 31 }, 'broker-clock-off', /at most 600 s/],
    ['an unknown field', { admin: true }, 'bad-input', /[Uu]nrecognized/],
    ['an unknown verb', { verb: 'own' }, 'bad-input', /verb/],
    ['a contract without checksum', { contract: '0xabcdefabcdefabcdefabcdefabcdefabcdefabcd' }, 'bad-input', /checksum/],
  ] as const) {
    it(`refuses ${what}`, async () => refuses(await bad(fields), code, seen))
  }
  it('refuses bodies that are no JSON or too large', async () => {
    await refuses('{', 'bad-input', /no JSON/)
    await refuses({ request: 'x'.repeat(20_000), signature: '' }, 'body-too-large', /16 KiB/)
  })

  it('grants, renews, tells and takes back; both sides sign', async () => {
    const one = await t.signed(t.request())
    const { status, body } = await post(one)
    assert.equal(status, 200, JSON.stringify(body))
    const { answer, signature } = body as unknown as { answer: Answer; signature: string }
    assert.equal(verifyMessage(answerText(one.request, answer), signature), t.agent.address)
    assert.equal(t.dataPath.standing[0]?.prefix, answer.lease.prefix)
    const again = (await post(one)).body as unknown as { answer: Answer }
    assert.deepEqual(again.answer, answer, 'a lost answer is told again')
    await refuses(await t.signed(t.request({ sequence: 0, verb: 'release' })), 'broker-replayed', /sequence 0; the last one had/)
    const told = (await post(await t.signed(t.request({ verb: 'status' })))).body as unknown as { answer: Answer }
    assert.equal(told.answer.lease.id, answer.lease.id)
    const gone = (await post(await t.signed(t.request({ verb: 'release' })))).body as unknown as { answer: Answer }
    assert.ok(gone.answer.lease.endedAt)
    assert.deepEqual(t.dataPath.standing, [])
  })

  it('a network that cannot be set is told as such; the same request later is granted', async () => {
    t.dataPath.failing = true
    const one = await t.signed(t.request({ wireguardKey: generateKeyPair().publicKey }))
    const { status, body } = await post(one)
    assert.deepEqual([status, body['code'], body['retryable']], [503, 'broker-data-path-failed', true])
    t.dataPath.failing = false
    assert.equal((await post(one)).status, 200)
  })

  it('N5 the public API has two routes; the rest is not there', async () => {
    for (const url of ['/leases', '/metrics', '/v1/leases', '/v1/config', '/plan']) {
      assert.equal((await app.inject({ url, headers: { 'x-forwarded-for': '192.0.2.77' } })).statusCode, 404, url)
    }
    const { body } = await app.inject({ url: '/v1/status', headers: { 'x-forwarded-for': '192.0.2.78' } })
    assert.equal(JSON.parse(body).serving, true)
    assert.doesNotMatch(body, /2001:db8|l-[0-9a-f]{16}/, 'no lease and no address of a host')
  })

  it('10,000 requests in a minute: one source is held to its share, others are served, nothing grows', async () => {
    const standing = JSON.stringify(t.broker.book.leases.all())
    const junk = await t.signed(t.request(), Wallet.createRandom() as unknown as Wallet)
    const begun = performance.now()
    const counts = new Map<number, number>()
    for (let i = 0; i < 10_000; i += 100) {
      const part = Array.from({ length: 100 }, (_, k) =>
        app.inject({
          method: 'POST',
          url: '/v1/requests',
          headers: { 'x-forwarded-for': `2001:db8:66:${k % 2}::${i + k}` },
          payload: { ...junk, signature: '0x' },
        }),
      )
      for (const { statusCode } of await Promise.all(part)) counts.set(statusCode, (counts.get(statusCode) ?? 0) + 1)
    }
    const seconds = (performance.now() - begun) / 1000
    assert.ok(seconds < 60, `${seconds} s for a minute's flood`)
    assert.ok((counts.get(429) ?? 0) >= 9_700, JSON.stringify([...counts]))
    const limited = await app.inject({ url: '/v1/status', headers: { 'x-forwarded-for': '2001:db8:66::5' } })
    assert.ok(Number(limited.headers['retry-after']) >= 1)
    assert.equal((await post(await t.signed(t.request({ verb: 'status' })))).status, 200, 'another source is served meanwhile')
    assert.equal(JSON.stringify(t.broker.book.leases.all()), standing)
  })
})
