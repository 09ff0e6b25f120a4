import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import canonicalize from 'canonicalize'
import * as fc from 'fast-check'
import { canonicalJson } from './canonical.ts'

const text = (value: unknown): string => canonicalJson(value).toString()

suite('canonical JSON', () => {
  for (const [what, value] of [
    ['NaN', Number.NaN],
    ['an infinity', { a: -Infinity }],
    ['half a surrogate pair', ['\ud800']],
    ['half a surrogate pair as a name', { '\udc00': 1 }],
    ['a bigint', { gas: 1n }],
    ['nothing at all', undefined],
  ] as const) {
    test(`has no form for ${what}`, () => assert.throws(() => canonicalJson(value), TypeError))
  }

  test('the example of RFC 8785 §3.2.2 and §3.2.3', () => {
    const given = `{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}`
    const wanted = `{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA'B\\"\\\\\\\\\\"/"}`
    assert.equal(text(JSON.parse(given)), wanted)
    const names = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 }
    assert.deepEqual(Object.values(JSON.parse(text(names)) as object).length, 7)
    assert.deepEqual(
      [...text(names).matchAll(/:(\d)/g)].map(([, n]) => n),
      ['2', '4', '6', '7', '1', '5', '3'],
    )
  })

  test('members that are undefined are left out, elements are null', () => {
    assert.equal(text({ b: undefined, a: [undefined, 1], c: -0 }), '{"a":[null,1],"c":0}')
  })

  test('is what an independent library writes, whatever JSON it is', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'grapheme-composite' }), (value) => {
        assert.equal(text(value), canonicalize(value))
      }),
      { numRuns: 2000 },
    )
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.double({ noNaN: true, noDefaultInfinity: true })), (value) => {
        assert.equal(text(value), canonicalize(value))
      }),
    )
  })
})
