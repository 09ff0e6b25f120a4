import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newCode, parseCode } from './codes.ts'

test('no code: too short, too long, letters that Crockford leaves out', () => {
  for (const text of ['', '7QF3-K2M', '7QF3-K2MDD', '7QF3-K2MU', '7QF3_K2MD', '７QF3K2MD'])
    assert.equal(parseCode(text), undefined, text)
})

test('a code is read in any spelling', () => {
  for (const text of ['7QF3-K2MD', '7qf3k2md', ' 7QF3 - K2MD\n']) assert.equal(parseCode(text), '7QF3K2MD')
  assert.equal(parseCode('OIL0-11LO'), '01101110')
})

test('codes are fresh and their own spelling', () => {
  const made = Array.from({ length: 1000 }, newCode)
  assert.equal(new Set(made).size, 1000)
  for (const code of made) assert.equal(parseCode(code), code)
})

test('nothing of a code can be told beforehand: every letter comes at every place, about as often as any other', () => {
  const made = Array.from({ length: 32_000 }, newCode)
  for (let place = 0; place < 8; place += 1) {
    const counts = Map.groupBy(made, (code) => code[place])
    assert.equal(counts.size, 32)
    // 1000 expected, standard deviation 31: ten of them are never seen by chance
    for (const [letter, { length }] of counts) assert.ok(length > 690 && length < 1310, `${letter} ${length} times at ${place}`)
  }
})
