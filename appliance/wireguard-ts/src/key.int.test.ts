import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import {
  generateKeyPair,
  generatePresharedKey,
  hexToBase64,
  keyToHex,
  parsePrivateKey,
  parsePublicKey,
  publicKeyOf,
} from './key.ts'
import { runOrFail } from './run.ts'

suite('keys', () => {
  for (const [what, text] of [
    ['of 31 bytes', Buffer.alloc(31, 7).toString('base64')],
    ['of 33 bytes', Buffer.alloc(33, 7).toString('base64')],
    ['all zero', Buffer.alloc(32).toString('base64')],
    ['in non-canonical base64', `${Buffer.alloc(32, 7).toString('base64').slice(0, 42)}d=`],
    ['with a line break', `${Buffer.alloc(32, 7).toString('base64')}\n`],
    ['in base64url', randomBytes(32).fill(255).toString('base64url')],
    ['empty', ''],
    ['in hex', 'ab'.repeat(32)],
  ] as const) {
    test(`refuses a key ${what}, without repeating it`, () => {
      assert.throws(
        () => parsePublicKey(text),
        (error: Error & { code: string }) =>
          error.code === 'bad-key' && (text.trim() === '' || !error.message.includes(text.trim())),
      )
    })
  }

  test('public keys equal those of `wg pubkey`, for clamped, foreign and unclamped keys', async () => {
    const own = Array.from({ length: 20 }, () => generateKeyPair())
    for (const { privateKey, publicKey } of own) assert.equal(publicKeyOf(privateKey), publicKey)
    const theirs = (await runOrFail('make a key', 'wg', ['genkey'])).trim()
    const unclamped = Array.from({ length: 10 }, () => randomBytes(32).toString('base64'))
    for (const text of [...own.slice(0, 5).map((pair) => pair.privateKey), theirs, ...unclamped]) {
      const told = await runOrFail('derive a key', 'wg', ['pubkey'], { input: `${text}\n` })
      assert.equal(publicKeyOf(parsePrivateKey(text)), told.trim())
    }
  })

  test('5,000 pairs do not stop the process', () => {
    const keys = new Set(Array.from({ length: 5000 }, () => publicKeyOf(generateKeyPair().privateKey)))
    assert.equal(keys.size, 5000)
  })

  test('hex and back', () => {
    const key = generatePresharedKey()
    assert.equal(hexToBase64(keyToHex(key)), key)
    assert.throws(() => hexToBase64('0'.repeat(63)), { code: 'bad-key' })
  })
})
