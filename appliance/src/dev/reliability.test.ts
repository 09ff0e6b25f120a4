import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { mutants } from '../../../contracts/mutants/mutants.ts'
import { claimedRows, readText, reliabilityRows } from './reliability-table.ts'

const root = join(import.meta.dirname, '../../..')
const rows = reliabilityRows(readText(join(root, 'appliance/RELIABILITY.md')))
const files = globSync('{appliance,testing,contracts,pam-web3}/**/*.test.ts', {
  cwd: root,
  exclude: (name) => /node_modules|generated|\.next|target/.test(String(name)),
})
const claims = files.flatMap((path) => claimedRows(readText(join(root, path))).map((claim) => ({ ...claim, path })))

await suite('the table of what can go wrong', () => {
  test('has rows, each id once', () => {
    assert.ok(rows.length > 0)
    const ids = rows.map((row) => row.id)
    assert.deepEqual(
      ids.filter((id, i) => ids.indexOf(id) !== i),
      [],
    )
  })

  test('no row without a test that is really there', () => {
    const missing = rows.flatMap((row) =>
      row.tests
        .filter(({ path, title }) => {
          if (!existsSync(join(root, path))) return true
          if (path.endsWith('.t.sol')) return !readText(join(root, path)).includes(`function ${title}(`)
          return !claims.some((claim) => claim.path === path && claim.row === row.id && claim.title === title)
        })
        .map(({ path, title }) => `${row.id}: ${path} › ${title}`),
    )
    assert.deepEqual(missing, [])
  })

  test('no row of a contract test without a mutant that this very test kills', () => {
    // nothing is reported there: that the test sees its fault is shown by a contract that gives way to it
    const killing = new Set(mutants.map(({ killedBy }) => killedBy))
    const tests = rows.flatMap((row) => row.tests.filter(({ path }) => path.endsWith('.t.sol')))
    assert.ok(tests.length > 0)
    const unproved = tests
      .map(({ path, title }) => {
        const [before = ''] = readText(join(root, path)).split(`function ${title}(`)
        const contract = [...before.matchAll(/^contract (\w+)/gm)].at(-1)?.[1]
        return `${contract}.${title}`
      })
      .filter((name) => !killing.has(name))
    assert.deepEqual(unproved, [])
  })

  test('no test of a fault that the table does not name', () => {
    const named = new Set(rows.flatMap((row) => row.tests.map(({ path, title }) => `${row.id}: ${path} › ${title}`)))
    const unnamed = claims.map((claim) => `${claim.row}: ${claim.path} › ${claim.title}`).filter((claim) => !named.has(claim))
    assert.deepEqual(unnamed, [])
  })

  for (const [what, body] of [
    ['never saw its fault', '() => {}'],
    ['has empty evidence', '(fault) => fault.struck([])'],
  ] as const) {
    test(`a test that ${what} fails`, () => {
      const folder = mkdtempSync(join(tmpdir(), 'freehold-reliability-'))
      try {
        const file = join(folder, 'fault.test.ts')
        const helper = join(import.meta.dirname, 'reliability.ts')
        writeFileSync(
          file,
          `import { reliability } from ${JSON.stringify(helper)}\nreliability('some-row', 'a fault', ${body})\n`,
        )
        const { NODE_TEST_CONTEXT: _, ...env } = process.env
        const run = spawnSync(process.execPath, ['--test', '--test-reporter=tap', file], {
          encoding: 'utf8',
          env,
          timeout: 60_000,
        })
        assert.equal(run.status, 1)
        assert.match(run.stdout, /never struck|no evidence/)
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    })
  }
})
