import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { findIn, needlesOf } from './needles.ts'

const key = '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d'
const needles = needlesOf([
  { name: 'code', value: '7KQ 3ZD' },
  { name: 'recovery secret', value: 'AB2C-DE3F-GH4J-KL5M' },
  { name: 'deployer key', value: key },
])
const found = (bytes: Buffer): string[] => [...new Set(findIn(bytes, needles, 'x').map(({ secret }) => secret))]
const amid = (bytes: string | Buffer): Buffer => Buffer.concat([Buffer.from('before'), Buffer.from(bytes), Buffer.from('after')])

suite('forms of a secret that are found', () => {
  for (const [form, bytes] of [
    ['as the screen shows it', '7KQ 3ZD'],
    ['as it is kept', '{"code":"7KQ3ZD"}'],
    ['as it was typed', '7kq3zd'],
    ['in an address', 'code=7KQ%203ZD'],
    ['UTF-16', Buffer.from('7KQ3ZD', 'utf16le')],
    ['in hex', Buffer.from('7KQ3ZD').toString('hex')],
    ...[0, 1, 2].map(
      (n) => [`base64 of more, ${n}`, Buffer.from(`${'x'.repeat(n)}{"code":"7KQ3ZD"}`).toString('base64')] as const,
    ),
  ] as const) {
    test(`a code ${form}`, () => assert.deepEqual(found(amid(bytes)), ['code']))
  }
  for (const [form, bytes] of [
    ['with 0x', key],
    ['without', key.slice(2)],
    ['in upper case', key.slice(2).toUpperCase()],
    ['as its bytes', Buffer.from(key.slice(2), 'hex')],
    ...[0, 1, 2].map(
      (n) =>
        [
          `base64 of its bytes, ${n}`,
          Buffer.concat([Buffer.alloc(n), Buffer.from(key.slice(2), 'hex')]).toString('base64'),
        ] as const,
    ),
  ] as const) {
    test(`a key ${form}`, () => assert.deepEqual(found(amid(bytes)), ['deployer key']))
  }
  test('a recovery secret with and without its hyphens', () => {
    assert.deepEqual(found(amid('AB2C-DE3F-GH4J-KL5M')), ['recovery secret'])
    assert.deepEqual(found(amid('ab2cde3fgh4jkl5m')), ['recovery secret'])
  })
})

test('what is no secret is not found, and a find tells the place and not the secret', () => {
  assert.deepEqual(found(Buffer.from('7KQ3Z D 0x59c6995e998f97a5 AB2C-DE3F-GH4J')), [])
  const [find] = findIn(Buffer.from('code 7KQ3ZD'), needles, 'packet 3', 1000)
  assert.equal(find?.where, 'packet 3 at 1005')
  assert.doesNotMatch(JSON.stringify(find), /7KQ/)
})

test('refuses a secret that chance would find', () => {
  assert.throws(() => needlesOf([{ name: 'pin', value: '12 34' }]), /too short/)
})
