import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { sections } from '@freehold/appliance/setup/wizard/sections'
import { fill, type MessageValues } from '../messages/catalogue.ts'
import { en } from '../messages/en.ts'
import { fieldName, knownFields, pageOf, pageOfField } from './field-names.ts'

/** Places of the answers that the forms have controls for, numbers of lists as `*`. */
function shown(): string[] {
  const forms = join(import.meta.dirname, 'forms')
  const text = readdirSync(forms)
    .filter((name) => name.endsWith('.tsx'))
    .map((name) => readFileSync(join(forms, name), 'utf8'))
    .join('\n')
  const calls = [...text.matchAll(/\bwrong\(([^)]*)\)/g)].flatMap(([, list = '']) => [...list.matchAll(/['`]([^'`]+)['`]/g)])
  return calls.map(([, pointer = '']) => pointer.replaceAll(/\/(\d+|\$\{index\})(?=\/|$)/g, '/*'))
}

test('X3 X19 every place of the answers that has a field has a name for people', () => {
  const places = shown().flatMap((place) =>
    place.endsWith('/${name}') ? ['vcpus', 'memoryMiB', 'diskGiB', 'capacity', 'graceDays'].map((n) => `/plans/*/${n}`) : [place],
  )
  assert.ok(places.length > 40)
  assert.deepEqual(
    places.filter((place) => knownFields[place] === undefined),
    [],
  )
})

test('every field of the answers leads to the page that asks for it', () => {
  const asked = Object.fromEntries(sections.flatMap(({ name, fields }) => fields.map((field) => [field, name])))
  assert.deepEqual(pageOfField, asked)
  assert.equal(pageOf('/tls/proof'), 'tls')
  assert.equal(pageOf('/nobody/asks'), undefined)
})

test('X3 a place without a name is called as the answer file does, never by its pointer', () => {
  const t = (key: keyof typeof en, values: MessageValues = {}) => fill(en[key], 'en', values)
  const name = (pointer: string) => fieldName(pointer, t)
  assert.equal(name('/chain/lowBalanceWei'), 'lowBalanceWei')
  assert.equal(name('/version'), 'version')
  assert.equal(name('/chain/rpcUrls/1'), name('/chain/rpcUrls/0'))
  assert.match(name('/plans/1/diskGiB'), /^Plan 2: Disk, GiB$/)
})
