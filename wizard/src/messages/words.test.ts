import assert from 'node:assert/strict'
import { test } from 'node:test'
import { de } from './de.ts'
import { en } from './en.ts'
import { fill } from './catalogue.ts'

/** What people read: a message for one and for several, its other names left as they stand. */
const forms = (message: string) => {
  const named = Object.fromEntries([...message.matchAll(/\{(\w+)\}/g)].map((m) => [m[1] ?? '', m[0]]))
  return [1, 2].map((count) => fill(message, 'en', { ...named, count }))
}

/** What people are not to meet, with the word that stands in its place. Operators may see gas; setup may name a chain by its id. */
const refused: readonly (readonly [word: RegExp, instead: string, allowedAt?: RegExp])[] = [
  [/\bSIWE\b|\bdApp\b|\bauthenticat/i, 'sign in with your wallet'],
  [/\bmined\b|\bblocks deep\b/i, 'payment confirmed'],
  [/\bcredential NFT\b|\baccess token NFT\b/i, 'access pass'],
  [/\bmachine\b|\binstance\b/i, 'VM, or host', /^(setup|network|storage)\.|\bhypervisor\b/],
  [/\bgas\b/i, 'network fee', /^(setup|operator|wasm)\./],
  [/\bset allowance\b/i, 'approve exactly'],
  [/\bgarbage.?collect|\bGC\b/, 'deleted on a day'],
  [/\bprovisioning\b|\bfinali[sz]ed\b/i, 'preparing, ready'],
  [/-32\d{3}/, 'could not reach the network'],
]

test('X1 one word for one thing: what the table of words refuses is in no text', () => {
  const found = Object.entries(en).flatMap(([key, message]) =>
    forms(message).flatMap((text) =>
      refused
        .filter(([word, , allowedAt]) => word.test(text) && allowedAt?.test(key) !== true)
        .map(([, instead]) => `${key} says “${text}”: say ${instead}`),
    ),
  )
  assert.deepEqual(found, [])
})

test('X1 no button says just OK, Yes, No or Submit, in either language', () => {
  const bare = /^(OK|Okay|Yes|No|Submit|Ja|Nein|Absenden)[.!]?$/i
  const found = [...Object.entries(en), ...Object.entries(de)].flatMap(([key, message]) =>
    forms(message)
      .filter((text) => bare.test(text.trim()))
      .map((text) => `${key} says “${text}”`),
  )
  assert.deepEqual(found, [])
})

test('X1 sentences are short enough to be read once', () => {
  const found = Object.entries(en).flatMap(([key, message]) =>
    forms(message).flatMap((text) =>
      text
        .split(/(?<=[.!?:;])\s+/)
        .filter((sentence) => sentence.split(/\s+/).length > 32)
        .map((sentence) => `${key}: ${sentence}`),
    ),
  )
  assert.deepEqual(found, [])
})
