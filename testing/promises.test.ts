import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'

/**
 * The promises to people that block a release, by the letters of their place: X everywhere, W setup, O operator console,
 * S storefront, A sign-in page. Each stands in the title of a test.
 */
const must = [
  ...Array.from({ length: 22 }, (_, i) => `X${i + 1}`).filter((id) => id !== 'X20'),
  ...Array.from({ length: 15 }, (_, i) => `W${i + 1}`).filter((id) => id !== 'W5'),
  ...['O1', 'O2', 'O3', 'O5'],
  ...Array.from({ length: 12 }, (_, i) => `S${i + 1}`),
  ...Array.from({ length: 10 }, (_, i) => `A${i + 1}`),
]

/** Promises whose test is still to be written. A line leaves this list with the test that keeps it. */
const stillMissing: readonly string[] = []

const root = resolve(import.meta.dirname, '..')
const files = globSync(['{appliance,wizard,testing,pam-web3,iso}/**/*.{test,e2e}.ts'], {
  cwd: root,
  exclude: (name) => /node_modules|\.next|target/.test(name),
})

/** Titles of tests and suites: what stands between the quotes after `test(`, `suite(` or `reliability(`. */
function titlesOf(text: string): string[] {
  return [...text.matchAll(/\b(?:test|suite|describe)\(\s*(['"`])((?:\\.|(?!\1)[\s\S])*)\1/g)].map((m) => m[2] ?? '')
}

test('every MUST of the promises stands in the title of a test', () => {
  const titles = files.flatMap((file) => titlesOf(readFileSync(resolve(root, file), 'utf8')))
  assert.ok(titles.length > 500, `only ${titles.length} titles were found: the search is broken`)
  const named = new Set(titles.flatMap((title) => title.match(/\b[XWOSA]\d{1,2}\b/g) ?? []))
  assert.deepEqual(
    must.filter((id) => !named.has(id)),
    stillMissing,
    'the list of what is missing must say exactly what is missing',
  )
})

test('a title is found over several lines and in any quotes, and a comment is none', () => {
  assert.deepEqual(titlesOf("test(\n  'S1 a',\n) // S9\nsuite(`X2 ${b}`)\ntest(\"A1 it's\")"), ['S1 a', 'X2 ${b}', "A1 it's"])
})
