import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { MovableClock } from '../../clock/clock.ts'
import { AttestedKeys, reportDataOf, type AttestedKeysPorts } from './attestor.ts'
import { KeyRing, type PublishedKey } from './key-ring.ts'

const clock = new MovableClock()
const ring = new KeyRing({ clock, rotationSeconds: 3600, overlapSeconds: 600 })
const [key] = ring.offered() as [PublishedKey]

function attested(attest: NonNullable<AttestedKeysPorts['attestor']>['attest'], more: Partial<AttestedKeysPorts> = {}) {
  const tries: boolean[] = []
  const asked: Uint8Array[] = []
  const attestor = {
    format: 'test/v1',
    attest: async (reportData: Uint8Array) => {
      asked.push(reportData)
      return await attest(reportData)
    },
  }
  return { asked, tries, keys: new AttestedKeys({ clock, attestor, onAttested: (ok) => tries.push(ok), ...more }) }
}

suite('evidence about keys', () => {
  for (const [what, attest] of [
    ['refuses', () => Promise.reject(new Error('no quote'))],
    ['never answers', () => new Promise<never>(() => {})],
  ] satisfies [string, () => Promise<Uint8Array>][]) {
    test(`an attestor that ${what}: the key goes out without, and it is not asked by every caller`, async () => {
      const { keys, asked, tries } = attested(attest, { waitMs: 50 })
      const told = await Promise.all(Array.from({ length: 100 }, () => keys.offered(key)))
      for (const one of told) assert.deepEqual(one, key)
      await keys.offered(key)
      assert.deepEqual([asked.length, tries], [1, [false]])
      clock.advance(10)
      await keys.offered(key)
      assert.equal(asked.length, 2, 'after a while it is asked again')
    })
  }

  test('no attestor: no evidence, and no try of one', async () => {
    const { keys, tries } = attested(() => Promise.resolve(Buffer.of()), { attestor: undefined })
    assert.deepEqual([await keys.offered(key), await keys.oneTime(key), tries], [key, key, []])
  })

  test('is asked for once for an offered key, anew for the next, and for each one-time key', async () => {
    const { keys, asked } = attested((reportData) => Promise.resolve(reportData))
    const evidenceOf = (one: PublishedKey) => ({ format: 'test/v1', evidence: reportDataOf(one).toString('base64') })
    for (let n = 0; n < 3; n += 1) assert.deepEqual((await keys.offered(key)).attestation, evidenceOf(key))
    assert.equal(asked.length, 1)
    clock.advance(3600)
    const [next] = ring.offered() as [PublishedKey]
    assert.deepEqual((await keys.offered(next)).attestation, evidenceOf(next))
    const once = ring.oneTime() as PublishedKey
    assert.deepEqual((await keys.oneTime(once)).attestation, evidenceOf(once))
    assert.deepEqual((await keys.offered(next)).attestation, evidenceOf(next))
    assert.equal(asked.length, 3)
  })

  test('is bound to the key and to its expiry', () => {
    const changed: PublishedKey[] = [
      { ...key, x: key.y },
      { ...key, y: key.x },
      { ...key, expires_at: key.not_before },
    ]
    const all = [key, ...changed].map((one) => reportDataOf(one).toString('hex'))
    assert.equal(new Set(all).size, 4)
    assert.match(all[0] ?? '', /^[0-9a-f]{64}$/)
    assert.deepEqual(reportDataOf({ ...key, kid: 'other', attestation: { format: 'x', evidence: '' } }), reportDataOf(key))
  })
})
