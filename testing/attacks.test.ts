import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { outsideMoves } from '../pam-web3/tests/attacks-from-outside.ts'

const root = resolve(import.meta.dirname, '..')
const read = (path: string) => readFileSync(resolve(root, path), 'utf8')

/** Every move that somebody may make against signing in; each has its row in the table. */
const moves = [
  ...['vm', 'generation', 'act', 'chain', 'contract', 'user', 'host-key', 'source', 'time', 'nonce', 'signer'].map(
    (f) => `other-${f}`,
  ),
  ...['act-for-another', 'former-holder', 'statement-key', 'high-s', 'odd-signature', 'contract-wallet-lies'],
  ...['principal', 'after-transfer', 'after-expiry', 'forged-id', 'stolen-request'].map((m) => `certificate-${m}`),
  ...['storefront', 'cli', 'console', 'reinstall', 'certificate'].map((surface) => `fixation-${surface}`),
  ...[
    'relayed-link',
    'inside-the-guest',
    'not-me',
    'race-for-one-code',
    'other-vms-request',
    'former-secret',
    'flood',
    'guessed-code',
  ],
  ...['replay-after-success', 'replay-after-reinstall', 'replay-elsewhere', 'stranger-learns'],
  ...['session', 'page', 'console'].map((what) => `${what}-after-transfer`),
  'session-after-expiry',
]

/** Moves that one table plays to their end at one real sshd, and where it stands. */
const table = 'pam-web3/tests/attacks.int.test.ts'
const atSshd = moves
  .filter((id) => /^(other-(?!vms-request)|certificate-(?!stolen)|fixation-|replay-)/.test(id))
  .concat(...['act-for-another', 'former-holder', 'statement-key', 'high-s', 'odd-signature', 'relayed-link'])

interface Row {
  id: string
  tests: { path: string; title: string }[]
}

function rowsOf(markdown: string): Row[] {
  return markdown
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => {
      const cells = line.slice(2, -2).split(' | ')
      assert.equal(cells.length, 4, line)
      const tests = (cells[3] ?? '').split('<br>').map((part) => {
        const [, path = '', title = ''] = /^`([^`]+)` › (.+)$/.exec(part) ?? []
        return { path, title }
      })
      return { id: (cells[0] ?? '').replaceAll('`', ''), tests }
    })
}

const template = /[(:>] ?`((?:\\.|[^`\\])*\$\{(?:\\.|[^`\\])*)`/g

/** Whether a file says this: in quotes, as the key of a table, or by a template whose gaps it fills with what it says itself. */
function says(source: string, text: string): boolean {
  if ([`'${text.replaceAll("'", "\\'")}'`, `"${text}"`, `\`${text}\``].some((quoted) => source.includes(quoted))) return true
  if (/^\w+$/.test(text) && new RegExp(`^\\s*${text}: `, 'm').test(source)) return true
  return [...source.matchAll(template)].some(([, body = '']) => {
    const fixed = body.split(/\$\{[^}]*\}/)
    if (fixed.join('').length < 6) return false
    const gaps = new RegExp(`^${fixed.map((part) => RegExp.escape(part)).join('(.+?)')}$`).exec(text)?.slice(1)
    return gaps?.every((gap) => says(source, gap)) === true
  })
}

/** The file in which a suite's place is named, where one file holds several tests' doors. */
const whole = (path: string): string => {
  if (path === table)
    return ['attacks.int.test.ts', 'lies.ts', 'attacks-from-outside.ts'].map((f) => read(`pam-web3/tests/${f}`)).join('\n')
  const by = path.replace('-suite.ts', '.int.test.ts')
  return by === path ? read(path) : `${read(path)}\n${read(by)}\n'Debian 13'`
}

const rows = rowsOf(read('pam-web3/ATTACKS.md'))

test('every move stands in the table once, and no other', () => {
  assert.deepEqual(rows.map(({ id }) => id).toSorted(), moves.toSorted())
})

test('every test that the table names exists', () => {
  const missing = rows.flatMap(({ id, tests }) =>
    tests
      .filter(({ path, title }) => path === '' || !says(whole(path), title))
      .map(({ path, title }) => `${id}: ${path} › ${title}`),
  )
  assert.deepEqual(missing, [])
})

test('what can be brought to an sshd is a row of the one table at a real sshd', () => {
  assert.ok(atSshd.length >= 29, `${atSshd.length}`)
  const missing = atSshd.filter((id) => rows.find((row) => row.id === id)?.tests.every(({ path }) => path !== table) !== false)
  assert.deepEqual(missing, [])
  const unlisted = outsideMoves.filter(
    ({ id, move }) => rows.find((row) => row.id === id)?.tests.some(({ title }) => title === `denies ${move}`) !== true,
  )
  assert.deepEqual(unlisted, [])
})

test('denies a title that no test has, also one that only fits a template', () => {
  const source = "const rows = [['VM', \"another VM's\"]]\ntest(`denies ${field}: an approval for ${move}`)\ntest('denies it')"
  assert.ok(says(source, 'denies it'))
  assert.ok(says(source, "denies VM: an approval for another VM's"))
  assert.ok(!says(source, 'denies that'))
  assert.ok(!says(source, 'denies VM: an approval for another chain'))
})
