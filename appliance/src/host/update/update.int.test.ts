import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { makeRepository } from '../../../../scripts/deb/repository.ts'
import type { Outcome } from './journal.ts'
import { makePackage, openTestRoot, type TestRoot } from './test-root.ts'

/** Each start of a machine is seconds: the default run keeps one row of each kind. */
const all = process.env['FREEHOLD_ALL'] === '1'

// Real apt, real dpkg and a real database in a Debian root. What stands for systemd starts and stops the daemon for real; a cut
// ends every process of the root at once.
let root: TestRoot
let keys: string
const at = (path: string) => join(root.folder, path)

function makeKey(who: string): void {
  execFileSync('gpg', ['--batch', '--passphrase', '', '--quick-generate-key', who, 'ed25519', 'sign', 'never'], {
    stdio: 'ignore',
  })
}

before(() => {
  root = openTestRoot()
  // short: gpg's agent has a socket there
  keys = mkdtempSync(join(tmpdir(), 'fhg-'))
  process.env['GNUPGHOME'] = keys
  for (const who of ['ours', 'another']) makeKey(who)
  writeFileSync(at('usr/share/freehold/update/key.asc'), execFileSync('gpg', ['--armor', '--export', 'ours']))
  writeFileSync(at('usr/share/freehold/update/repository'), 'file:/repository\n')
})
after(() => {
  execFileSync('gpgconf', ['--kill', 'gpg-agent'])
  delete process.env['GNUPGHOME']
  rmSync(keys, { recursive: true, force: true })
  root.remove()
})

type Package = Parameters<typeof makePackage>[3]

/** The repository holds these; the machine has version 1 with a database of form 1. */
async function machine(version: string, more: Package = {}, signer = 'ours'): Promise<void> {
  for (const name of readdirSync(root.folder)) if (/^(hold|at)-/.test(name)) rmSync(at(name))
  for (const folder of ['repository', 'old', 'var/lib/freehold', 'var/lib/freehold-update'])
    rmSync(at(folder), { recursive: true, force: true })
  for (const name of ['freehold', 'freehold-web']) {
    makePackage(at('old'), name, '1.0')
    makePackage(at('repository'), name, version, name === 'freehold' ? more : {})
  }
  makeRepository(at('repository'), signer)
  const ready = await root.boot([
    'sh',
    '-c',
    'dpkg --force-downgrade -i /old/*.deb && for i in $(seq 600); do [ -S /var/lib/freehold/run/admin.sock ] && exit 0; sleep 0.1; done; exit 1',
  ])
  assert.equal(ready.code, 0, ready.stderr)
  assert.deepEqual(state(), before1)
}

const program = (...args: string[]) => ['/usr/bin/node', '/src/main.ts', ...args, '--json', '--pause', '100']
const applied = async (): Promise<Outcome> => outcomeOf(await root.boot(program('apply')))
/** As at the next boot: by the runtime and the files beside the journal. */
const resumed = async (): Promise<Outcome> =>
  outcomeOf(
    await root.boot([
      '/var/lib/freehold-update/program/node',
      '/var/lib/freehold-update/program/main.ts',
      'resume',
      '--json',
      '--pause',
      '100',
    ]),
  )

function outcomeOf({ stdout, stderr }: { stdout: string; stderr: string }): Outcome {
  assert.match(stdout, /^\{/, stderr)
  return JSON.parse(stdout) as Outcome
}

/** Versions of both packages, and the form of the database. */
function state(): { packages: string[]; form: unknown } {
  const query = execFileSync(
    'chroot',
    [root.folder, 'dpkg-query', '--show', '--showformat=${Version} ${db:Status-Status}\n', 'freehold', 'freehold-web'],
    { encoding: 'utf8' },
  )
  const files = ['freehold', 'freehold-web'].map((name) => readFileSync(at(`opt/${name}/version`), 'utf8'))
  assert.deepEqual(
    query
      .split('\n')
      .slice(0, 2)
      .map((line) => line.split(' ')[0]),
    files.map((text) => text.trim()),
  )
  const db = new DatabaseSync(at('var/lib/freehold/freehold.db'))
  const form = Object.values(db.prepare('SELECT form FROM forms').get() ?? {})[0]
  db.close()
  return { packages: query.trim().split('\n'), form }
}
const before1 = { packages: ['1.0 installed', '1.0 installed'], form: 1 }
const after2 = { packages: ['2.0 installed', '2.0 installed'], form: 2 }

test('a repository that another key signed, that was changed, or that is not there, changes nothing', async () => {
  await machine('2.0', { form: 2 }, 'another')
  const refused = async (code: string) => {
    for (const verb of ['check', 'apply']) {
      const { stderr, code: exit } = await root.boot(program(verb))
      assert.equal(exit, 1)
      assert.match(stderr, new RegExp(`\\[${code}\\]`), stderr)
    }
    assert.deepEqual(state(), before1)
    assert.ok(!existsSync(at('var/lib/freehold-update/journal.json')))
  }
  await refused('update-untrusted')
  await machine('2.0', { form: 2 })
  const index = readFileSync(at('repository/Packages'), 'utf8')
  writeFileSync(at('repository/Packages'), index.replace('Version: 2.0', 'Version: 9.0'))
  await refused('update-untrusted')
  rmSync(at('repository'), { recursive: true })
  await refused('update-unreachable')
})

if (all)
  test('a package that is not what the signed index says, or needs what is not there, changes nothing', async () => {
    await machine('2.0', { form: 2 })
    const deb = readFileSync(at('repository/freehold.deb'))
    deb[deb.length - 600] = (deb[deb.length - 600] ?? 0) ^ 1
    writeFileSync(at('repository/freehold.deb'), deb)
    const flipped = await root.boot(program('apply'))
    assert.match(flipped.stderr, /\[update-not-possible\]/)
    await machine('5.0', { form: 2, depends: 'nowhere-to-be-found' })
    const needy = await root.boot(program('apply'))
    assert.match(needy.stderr, /\[update-not-possible\]/)
    assert.deepEqual(state(), before1)
  })

if (all)
  test('an older or the same version is no update; a newer one is told, and only told', async () => {
    await machine('0.9')
    assert.deepEqual(JSON.parse((await root.boot(program('check'))).stdout), { offered: {} })
    assert.equal((await applied()).outcome, 'nothing-to-do')
    await machine('2.0', { form: 2 })
    assert.deepEqual(JSON.parse((await root.boot(program('check'))).stdout), {
      offered: { freehold: '2.0', 'freehold-web': '2.0' },
    })
    assert.deepEqual(state(), before1)
  })

test('an update that works: packages and database are the new ones, and nothing waits at the next boot', async () => {
  await machine('2.0', { form: 2 })
  const outcome = await applied()
  assert.deepEqual([outcome.outcome, outcome.from['freehold'], outcome.to['freehold']], ['updated', '1.0', '2.0'])
  assert.deepEqual(state(), after2)
  assert.ok(!existsSync(at('var/lib/freehold-update/journal.json')))
  assert.equal((await root.boot(program('resume'))).stdout, 'null\n')
})

for (const [what, more] of [
  ['whose daemon changes the database and dies', { form: 3, dies: true }],
  ['whose installation fails', { form: 3, fails: true }],
] as const) {
  if (!all && 'fails' in more) continue
  test(`an update ${what} is taken back: packages, database, and a daemon that answers`, async () => {
    await machine('3.0', more)
    const outcome = await applied()
    assert.equal(outcome.outcome, 'rolled-back', JSON.stringify(outcome))
    assert.deepEqual(state(), before1)
  })
}

for (const [moment, wanted] of [
  ['stop', before1],
  ['preinst-freehold', before1],
  ['postinst-freehold', before1],
  ['preinst-freehold-web', before1],
  ['judging', after2],
] as const) {
  if (!all && moment !== 'postinst-freehold' && moment !== 'judging') continue
  test(`power cut at ${moment}: the next boot ends with a host that works, of before or of after`, async () => {
    await machine('2.0', { form: 2 })
    writeFileSync(at(`hold-${moment}`), '')
    await root.cut(program('apply'), `at-${moment}`)
    rmSync(at(`hold-${moment}`))
    assert.ok(existsSync(at('var/lib/freehold-update/journal.json')))
    const outcome = await resumed()
    assert.equal(outcome.outcome, wanted === before1 ? 'rolled-back' : 'updated', JSON.stringify(outcome))
    assert.deepEqual(state(), wanted)
    assert.ok(!existsSync(at('var/lib/freehold-update/journal.json')))
  })
}

if (all)
  test('cut again while it is taken back: the boot after that ends it', async () => {
    await machine('2.0', { form: 2 })
    writeFileSync(at('hold-postinst-freehold'), '')
    await root.cut(program('apply'), 'at-postinst-freehold')
    rmSync(at('hold-postinst-freehold'))
    writeFileSync(at('hold-preinst-freehold-web'), '')
    await root.cut(
      ['/var/lib/freehold-update/program/node', '/var/lib/freehold-update/program/main.ts', 'resume'],
      'at-preinst-freehold-web',
    )
    rmSync(at('hold-preinst-freehold-web'))
    assert.equal((await resumed()).outcome, 'rolled-back')
    assert.deepEqual(state(), before1)
  })
