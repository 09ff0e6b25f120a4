import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { MovableClock } from '../../clock/clock.ts'
import { KeyRing } from './key-ring.ts'

function ring(more: Partial<ConstructorParameters<typeof KeyRing>[0]> = {}) {
  const clock = new MovableClock()
  return { clock, keys: new KeyRing({ clock, rotationSeconds: 3600, overlapSeconds: 600, ...more }) }
}

suite('the keys that requests are sealed for', () => {
  test('a key that never was is unknown, one that was is expired', () => {
    const { clock, keys } = ring()
    const [first] = keys.offered()
    assert.deepEqual(keys.take('00'), { kind: 'unknown' })
    clock.advance(3600 + 600)
    assert.deepEqual(keys.take(first?.kid ?? ''), { kind: 'expired' })
  })

  test('after its time a key still opens for the overlap, and is not offered', () => {
    const { clock, keys } = ring()
    const [first] = keys.offered()
    clock.advance(3600)
    const [second] = keys.offered()
    assert.notEqual(first?.kid, second?.kid)
    assert.equal(keys.take(first?.kid ?? '').kind, 'key')
    assert.deepEqual(new Set(keys.live().map((key) => key.kid)), new Set([first?.kid, second?.kid]))
    clock.advance(600)
    assert.equal(keys.take(first?.kid ?? '').kind, 'expired')
    assert.equal(keys.live().length, 1)
  })

  test('a one-time key opens once, dies by itself, and is none of those tried without an id', () => {
    const { clock, keys } = ring()
    const key = keys.oneTime()
    assert.equal(keys.live().length, 1)
    assert.equal(keys.take(key?.kid ?? '').kind, 'key')
    assert.equal(keys.take(key?.kid ?? '').kind, 'expired')
    const unused = keys.oneTime()
    clock.advance(300)
    assert.equal(keys.take(unused?.kid ?? '').kind, 'expired')
  })

  test('strangers cannot fill the memory with one-time keys', () => {
    const { clock, keys } = ring({ oneTimeKeys: 5 })
    for (let n = 0; n < 5; n += 1) assert.ok(keys.oneTime() !== undefined)
    assert.equal(keys.oneTime(), undefined)
    clock.advance(300)
    assert.ok(keys.oneTime() !== undefined)
  })
})
