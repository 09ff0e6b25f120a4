import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { IntlMessageFormat } from 'intl-messageformat'
import { fill, localeOf } from './catalogue.ts'
import { de } from './de.ts'
import { en } from './en.ts'

type Part = ReturnType<IntlMessageFormat['getAst']>[number]
type Name = { name: string; plain: boolean }

/** Every name that is filled in, of whichever form; `plain` where it is written as it is handed over. */
const namesIn = (parts: readonly Part[]): Name[] =>
  parts.flatMap((part) => {
    const forms = 'options' in part ? Object.values(part.options).flatMap((option) => namesIn(option.value)) : []
    return 'value' in part && part.type !== 0 ? [{ name: part.value, plain: part.type === 1 }, ...forms] : forms
  })
const parse = (message: string) => namesIn(new IntlMessageFormat(message, 'en', undefined, { ignoreTag: true }).getAst())
const names = (message: string) => [...new Set(parse(message).map((n) => n.name))].sort((a, b) => a.localeCompare(b))

test('X20 refuses a locale that lacks a key, has one too many, or other placeholders', () => {
  assert.deepEqual(Object.keys(de).sort(), Object.keys(en).sort())
  for (const key of Object.keys(en) as (keyof typeof en)[]) {
    assert.deepEqual(names(de[key]), names(en[key]), `placeholders of ${key}`)
    assert.notEqual(de[key].trim(), '', `${key} is empty`)
  }
})

test('X19 refuses a count that is filled in as it is, and quotes that hide a name', () => {
  for (const [key, message] of [...Object.entries(en), ...Object.entries(de)]) {
    assert.ok(!parse(message).some((n) => n.plain && n.name === 'count'), `${key}: {count, number}, or a plural`)
    assert.doesNotMatch(message, /'/, `${key}: a straight quote makes plain text of what follows`)
  }
})

test('X18 X19 a name that runs from right to left, or turns what follows, stays within its own place; others are left alone', () => {
  assert.equal(fill('Plan {name} (1)', 'en', { name: 'Small' }), 'Plan Small (1)')
  assert.equal(fill('Plan {name} (1)', 'en', { name: 'מחזיק' }), 'Plan \u2068מחזיק\u2069 (1)')
  assert.equal(fill('Plan {name} (1)', 'en', { name: 'المحفظة' }), 'Plan \u2068المحفظة\u2069 (1)')
  for (const turn of ['\u202E', '\u2069', '\u2067'])
    assert.equal(fill('Plan {name} (1)', 'en', { name: `Small${turn} 1` }), 'Plan \u2068Small 1\u2069 (1)')
})

const source = resolve(import.meta.dirname, '..')
const components = readdirSync(source, { recursive: true, withFileTypes: true })
  .filter((e) => e.isFile() && e.name.endsWith('.tsx'))
  .map((e) => join(e.parentPath, e.name))

test('X19 refuses text between tags of a component', () => {
  assert.ok(components.length > 30)
  const found = components.flatMap((file) => {
    const text = readFileSync(file, 'utf8')
    return [...text.matchAll(/<[a-zA-Z][^<>{}=]*>\s*([A-Za-z][^<>{}]{2,})\s*<\//g)].map(
      (m) => `${file.slice(source.length)}: ${m[1]}`,
    )
  })
  assert.deepEqual(found, [])
})

test('X19 refuses text in attributes that people see or hear', () => {
  const found = components.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/\b(aria-label|title|alt|placeholder|label|hint)="([^"]+)"/g)].map(
      (m) => `${file.slice(source.length)}: ${m[2]}`,
    ),
  )
  assert.deepEqual(found, [])
})

test('X19 every key of the catalogue is used, and built keys exist', () => {
  const all = readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile() && /\.tsx?$/.test(e.name) && !e.parentPath.endsWith('messages'))
    .map((e) => readFileSync(join(e.parentPath, e.name), 'utf8'))
    .join('\n')
  const built = [...all.matchAll(/`([\w.-]*)\$\{[^}]+\}([\w.-]*)`/g)].map(
    (m) => new RegExp(`^${(m[1] ?? '').replaceAll('.', '\\.')}[\\w.-]+${(m[2] ?? '').replaceAll('.', '\\.')}$`),
  )
  const prefixed = built.filter((r) => r.source.length > 14)
  const unused = Object.keys(en).filter((key) => !all.includes(`'${key}'`) && !prefixed.some((r) => r.test(key)))
  assert.deepEqual(unused, [])
})

test('an unknown name stays visible, numbers and plurals follow the locale', () => {
  assert.equal(fill('a {b}', 'en'), 'a {b}')
  assert.equal(fill('{count, plural, one {# day} other {# days}}', 'en', { count: 1 }), '1 day')
  assert.equal(fill('{count, plural, one {# Tag} other {# Tage}}', 'de', { count: 1200 }), '1.200 Tage')
  assert.equal(fill('{used} of {capacity}', 'en', { used: 1200, capacity: 'many' }), '1,200 of many')
  assert.equal(fill('<b>{name}</b>', 'en', { name: '{count} <i>' }), '<b>{count} <i></b>', 'a value is never read as a message')
})

test('the language is the best of ours that the browser asks for', () => {
  assert.equal(localeOf(null), 'en')
  assert.equal(localeOf('fr, it;q=0.8'), 'en')
  assert.equal(localeOf('fr, de-AT;q=0.8, en;q=0.5'), 'de')
  assert.equal(localeOf('de;q=0, en'), 'en')
})
