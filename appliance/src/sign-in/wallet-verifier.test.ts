import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { hashMessage } from 'ethers'
import { holder, otherWallet } from './test-stand.ts'
import { ecdsaVerifier, firstOf, recoverSigner } from './wallet-verifier.ts'

const text = 'host.example wants you to sign in'
const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const good = await holder.signMessage(text)
const v = good.slice(130)

suite('ECDSA', () => {
  const { r, s } = { r: good.slice(2, 66), s: BigInt(`0x${good.slice(66, 130)}`) }
  const highS = `0x${r}${(order - s).toString(16).padStart(64, '0')}${v === '1b' ? '1c' : '1b'}`
  const bad: Record<string, string> = {
    'the twin with high s': highS,
    'v 0 or 1': `${good.slice(0, 130)}0${v === '1b' ? 0 : 1}`,
    'v 29': `${good.slice(0, 130)}1d`,
    '64 bytes': good.slice(0, 130),
    '66 bytes': `${good}00`,
    nothing: '0x',
    'r of zero': `0x${'0'.repeat(64)}${good.slice(66)}`,
    's of zero': `${good.slice(0, 66)}${'0'.repeat(64)}${v}`,
    'r above the order': `0x${'f'.repeat(64)}${good.slice(66)}`,
    'no hex': `0x${'zz'.repeat(65)}`,
  }
  for (const [name, signature] of Object.entries(bad)) {
    test(`denies ${name}`, async () => {
      assert.equal(recoverSigner(text, signature), undefined)
      assert.equal(await ecdsaVerifier.verify({ address: holder.address, text, signature }), undefined)
    })
  }
  test('L13 denies a signature over the bare hash: nothing but personal_sign counts', async () => {
    const signature = holder.signingKey.sign(hashMessage(hashMessage(text))).serialized
    assert.equal(await ecdsaVerifier.verify({ address: holder.address, text, signature }), undefined)
  })
  test('denies another text, another wallet, a flipped bit', async () => {
    assert.equal(await ecdsaVerifier.verify({ address: holder.address, text: `${text}.`, signature: good }), undefined)
    assert.equal(await ecdsaVerifier.verify({ address: otherWallet.address, text, signature: good }), undefined)
    const flipped = good.replace(/.(?=.{60}$)/, (c) => (c === '0' ? '1' : '0'))
    assert.equal(await ecdsaVerifier.verify({ address: holder.address, text, signature: flipped }), undefined)
  })
  test('knows the wallet that signed, in any spelling of its address', async () => {
    assert.equal(await ecdsaVerifier.verify({ address: holder.address, text, signature: good }), 'ecdsa')
    assert.equal(await ecdsaVerifier.verify({ address: holder.address.toLowerCase(), text, signature: good }), 'ecdsa')
  })
  test('verifiers are asked in their order, and only until one says yes', async () => {
    const asked: string[] = []
    const other = { verify: () => (asked.push('other'), Promise.resolve('erc1271' as const)) }
    const both = firstOf(ecdsaVerifier, other)
    assert.equal(await both.verify({ address: holder.address, text, signature: good }), 'ecdsa')
    assert.deepEqual(asked, [])
    assert.equal(await both.verify({ address: holder.address, text, signature: '0x' }), 'erc1271')
  })
})
