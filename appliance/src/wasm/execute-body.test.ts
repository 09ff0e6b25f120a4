import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseExecuteBody } from './execute-body.ts'
import { parseUniqueJson } from './unique-json.ts'

const large = 'A'.repeat(70_000)
const read = (text: string) => parseExecuteBody(Buffer.from(text))
const asText = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1')

suite('a body with a large program', () => {
  for (const [name, text] of Object.entries({
    'a program that stands twice': `{"encrypted_wasm":"${large}","encrypted_wasm":"${large}"}`,
    'a small and a large one': `{"encrypted_wasm":"","encrypted_wasm":"${large}"}`,
    'one whose name is written otherwise': `{"encrypted_wasm":"${large}","encrypted\\u005fwasm":"x"}`,
    'another member twice': `{"a":1,"encrypted_wasm":"${large}","a":1}`,
    'no end': `{"encrypted_wasm":"${large}`,
    'no end after it': `{"encrypted_wasm":"${large}"`,
    'something after it': `{"encrypted_wasm":"${large}"} {}`,
  })) {
    test(`refuses ${name}`, () => assert.throws(() => read(text), SyntaxError))
  }

  for (const [name, text] of Object.entries({
    'a small program': '{"encrypted_wasm":"AAAA","b":1}',
    'one that stands deeper': `{"a":{"encrypted_wasm":"${large}"}}`,
    'one that stands deeper, and a small one in its place': `{"a":{"encrypted_wasm":"${large}"},"encrypted_wasm":"x"}`,
    'its name in a text': `{"a":"\\"encrypted_wasm\\":\\"${large}","b":2}`,
    'its name at the end of another': `{"\\"encrypted_wasm":"${large}"}`,
    'one with escapes': `{"encrypted_wasm":"\\u0041${large}"}`,
    'one in a list': `["encrypted_wasm","${large}"]`,
    'a number': `{"encrypted_wasm":1,"b":"${large}"}`,
  })) {
    test(`reads as text ${name}`, () => {
      const { value, program } = read(text)
      assert.equal(program, undefined)
      assert.deepEqual(value, parseUniqueJson(text))
    })
  }

  test('the program is what stood there, wherever its member stands and whatever space is around it', () => {
    for (const text of [
      `{"encrypted_wasm":"${large}","b":["ü",{"c":"\\""}]}`,
      `{"b":["ü",{"c":"\\""}] , "encrypted_wasm" :\n\t"${large}" }`,
    ]) {
      const { value, program } = read(text)
      assert.equal(asText(program), large)
      assert.deepEqual(value, { b: ['ü', { c: '"' }], encrypted_wasm: '' })
    }
  })

  test('its buffer is its own: nobody misses it when it is given away', () => {
    const shared = Buffer.alloc(200_000)
    const text = `{"encrypted_wasm":"${large}"}`
    shared.write(text)
    const { program } = parseExecuteBody(shared.subarray(0, text.length))
    assert.ok(program !== undefined)
    structuredClone(program, { transfer: [program.buffer] })
    assert.equal(program.length, 0)
    assert.equal(shared.toString('latin1', 0, text.length), text)
  })
})
