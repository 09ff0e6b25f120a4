import assert from 'node:assert/strict'
import { test } from 'node:test'
import { element, escapeXml, unescapeXml, writeXml } from './xml.ts'

test('P4 markup in a value stays a value', () => {
  const text = `</name><evil a="1" b='2'/>&amp;`
  const xml = writeXml(element('a', { b: text }, text))
  assert.equal(xml.match(/<[a-z]/g)?.length, 1, 'one element was written, one stands there')
  assert.equal(unescapeXml(escapeXml(text)), text)
})

test('P4 refuses characters that XML cannot hold', () => {
  for (const text of ['\u0000', 'a\u001b[2J', '\ufffe']) {
    assert.throws(() => writeXml(element('a', {}, text)), TypeError)
    assert.throws(() => writeXml(element('a', { b: text })), TypeError)
  }
})
