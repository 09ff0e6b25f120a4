import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { isLive, isSecretOf, newApiKey, parseApiKey } from './api-keys.ts'

const pepper = randomBytes(32)

suite('API keys', () => {
  for (const [what, change] of [
    ['another prefix', (text: string) => text.replace('whv_', 'wha_')],
    ['a character less', (text: string) => text.slice(0, -1)],
    ['one more', (text: string) => `${text}0`],
    ['a space', (text: string) => `${text} `],
    [
      'two characters swapped',
      (text: string) =>
        text.replace(/(.)(.)(.{6})$/, (_, a: string, b: string, end: string) => (a === b ? `${a}~${end}` : `${b}${a}${end}`)),
    ],
    ['nothing', () => ''],
  ] as const) {
    test(`a key with ${what} is none, told without the store`, () => {
      assert.equal(parseApiKey(change(newApiKey(pepper).text)), undefined)
    })
  }

  test('the secret of another key, and the same under another pepper, do not fit', () => {
    const [one, two] = [newApiKey(pepper), newApiKey(pepper)]
    const parsed = parseApiKey(one.text)
    assert.ok(parsed !== undefined)
    assert.ok(isSecretOf(one, parsed.secret, pepper))
    assert.ok(!isSecretOf(two, parsed.secret, pepper))
    assert.ok(!isSecretOf(one, parsed.secret, randomBytes(32)))
  })

  test('what is kept does not hold the secret, and a thousand keys differ', () => {
    const keys = Array.from({ length: 1000 }, () => newApiKey(pepper))
    assert.equal(new Set(keys.map((key) => key.text)).size, 1000)
    for (const key of keys) {
      const parsed = parseApiKey(key.text)
      assert.ok(parsed !== undefined && parsed.id === key.id && !JSON.stringify([key.id, key.mac]).includes(parsed.secret))
    }
  })

  test('expired and revoked keys do not count, to the second', () => {
    assert.ok(isLive({ expiresAt: null, revokedAt: null }, 10))
    assert.ok(isLive({ expiresAt: 11, revokedAt: null }, 10) && !isLive({ expiresAt: 10, revokedAt: null }, 10))
    assert.ok(!isLive({ expiresAt: null, revokedAt: 10 }, 10))
    assert.ok(isLive({ expiresAt: null, revokedAt: 20 }, 10), 'rotated: lives until then')
  })
})
