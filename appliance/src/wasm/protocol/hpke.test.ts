import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from '@hpke/core'
import { recipientKey, setupRecipient } from './hpke.ts'

interface Vectors {
  aead: 'aes-128-gcm' | 'aes-256-gcm'
  info: string
  skRm: string
  pkRm: string
  enc: string
  encryptions: { sequence: number; pt: string; aad: string; ct: string }[]
  exports: { context: string; length: number; value: string }[]
}

const all = JSON.parse(readFileSync(join(import.meta.dirname, 'hpke-vectors.json'), 'utf8')) as Record<'rfc' | 'own', Vectors>
/** The very suite of this service. */
const vectors = all.own
const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const key = recipientKey(hex(vectors.skRm), hex(vectors.pkRm))
const first = vectors.encryptions[0]
const contextOf = ({ skRm, pkRm, enc, info, aead }: Vectors) =>
  setupRecipient(recipientKey(hex(skRm), hex(pkRm)), hex(enc), hex(info), aead)
const context = () => contextOf(vectors)

suite('HPKE, the recipient', () => {
  for (const [what, enc] of [
    ['a point off the curve', Buffer.concat([hex(vectors.enc).subarray(0, 64), Buffer.from([1])])],
    ['a compressed point', hex(`02${vectors.enc.slice(2, 66)}`)],
    ['64 bytes', hex(vectors.enc).subarray(0, 64)],
    ['no bytes', Buffer.alloc(0)],
    ['all zero', Buffer.concat([Buffer.from([4]), Buffer.alloc(64)])],
  ] as const) {
    test(`refuses ${what}`, () => assert.throws(() => setupRecipient(key, enc, Buffer.alloc(0))))
  }

  test('refuses another aad, another info, another key of AES, a changed byte, a cut message', () => {
    assert.ok(first !== undefined)
    const [ct, aad] = [hex(first.ct), hex(first.aad)]
    assert.throws(() => context().open(ct, Buffer.from('other')))
    assert.throws(() => setupRecipient(key, hex(vectors.enc), Buffer.from('other')).open(ct, aad))
    assert.throws(() => setupRecipient(key, hex(vectors.enc), hex(vectors.info), 'aes-128-gcm').open(ct, aad))
    assert.throws(() => context().open(ct, aad, 1))
    for (let i = 0; i < ct.length; i += 1) {
      const changed = Buffer.from(ct)
      changed.writeUInt8(changed.readUInt8(i) ^ 1, i)
      assert.throws(() => context().open(changed, aad), `byte ${i}`)
    }
    for (const length of [0, 15, ct.length - 1]) assert.throws(() => context().open(ct.subarray(0, length), aad))
  })

  for (const [what, given] of [
    ['RFC 9180 A.3.1 gives, with AES-128', all.rfc],
    ['the vectors of RFC 9180 give for the suite of this service, with AES-256', all.own],
  ] as const) {
    test(`opens and exports what ${what}`, () => {
      assert.ok(given.encryptions.length >= 6 && given.exports.length >= 3)
      for (const { sequence, pt, aad, ct } of given.encryptions) {
        assert.equal(contextOf(given).open(hex(ct), hex(aad), sequence).toString('hex'), pt, `message ${sequence}`)
      }
      for (const { context: label, length, value } of given.exports) {
        assert.equal(contextOf(given).exportSecret(hex(label), length).toString('hex'), value)
      }
    })
  }

  test('opens what an independent library seals with AES-256, and exports the same secrets', async () => {
    const suite256 = new CipherSuite({ kem: new DhkemP256HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() })
    const pair = await suite256.kem.generateKeyPair()
    const publicRaw = Buffer.from(await suite256.kem.serializePublicKey(pair.publicKey))
    const own = recipientKey(Buffer.from(await suite256.kem.serializePrivateKey(pair.privateKey)), publicRaw)
    for (const length of [0, 1, 1000, 100_000]) {
      const info = Buffer.from(`info ${length}`)
      const sender = await suite256.createSenderContext({ recipientPublicKey: pair.publicKey, info })
      const plain = Buffer.alloc(length, length % 251)
      const sealed = Buffer.from(await sender.seal(plain, Buffer.from('aad')))
      const opened = setupRecipient(own, Buffer.from(sender.enc), info)
      assert.deepEqual(opened.open(sealed, Buffer.from('aad')), plain)
      assert.deepEqual(opened.exportSecret(Buffer.from('x'), 77), Buffer.from(await sender.export(Buffer.from('x'), 77)))
    }
  })
})
