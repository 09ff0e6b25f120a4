import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { parseUniqueJson } from './unique-json.ts'

suite('JSON with each member once', () => {
  for (const text of [
    '{"a":1,"a":1}',
    '{"a":1,"b":{"c":1,"d":[{"e":1,"e":2}]}}',
    '[{"a":1},{"b":"x","b":"\\""}]',
    '{"a":1,"\\u0061":2}',
    '{"a":"}","b":[],"a":2}',
    '{"a":1',
    'nothing',
    '',
  ]) {
    test(`refuses ${text}`, () => assert.throws(() => parseUniqueJson(text), SyntaxError))
  }

  test('takes the same name in different objects, brackets and quotes in strings', () => {
    const text = '{"a":{"a":1},"b":[{"a":"{\\"a\\":1,\\"a\\":2}"},{"a":"\\\\"}],"c":",\\"c\\":"}'
    assert.deepEqual(parseUniqueJson(text), JSON.parse(text))
  })

  test('reads whatever JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) =>
        assert.deepEqual(parseUniqueJson(JSON.stringify(value)), JSON.parse(JSON.stringify(value))),
      ),
    )
  })
})
