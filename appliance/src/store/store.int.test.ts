import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../clock/clock.ts'
import { openDatabase } from './database.ts'
import { openStore } from './store.ts'

const clock = systemClock
let folder: string
let files = 0
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-store-'))
})
after(() => rm(folder, { recursive: true }))
const fresh = (): string => join(folder, `${(files += 1)}.db`)

/** Runs writer-child.ts until it has printed `word`. */
async function child(path: string, mode: string, word: string) {
  const process_ = spawn(process.execPath, [join(import.meta.dirname, 'writer-child.ts'), path, mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = new Promise<number | null>((resolve) => process_.once('exit', (code) => resolve(code)))
  let text = ''
  for await (const part of process_.stdout) {
    text += String(part)
    if (text.includes(word)) break
  }
  assert.ok(text.includes(word), `the child said ${text}`)
  return { kill: () => process_.kill('SIGKILL'), exited }
}

describe('denials', () => {
  test('denies a file that is no database', async () => {
    const path = fresh()
    await writeFile(path, 'x'.repeat(5000))
    await assert.rejects(openStore(path, { clock }), { code: 'store-damaged' })
  })

  test('denies a database with a damaged page', async () => {
    const path = fresh()
    const store = await openStore(path, { clock })
    for (let i = 0; i < 50; i += 1) await store.settings.put(`key ${i}`, 'value '.repeat(200))
    await store.close()
    const db = new DatabaseSync(path)
    db.exec('PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE')
    const root = Number(db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'settings'").get()?.['rootpage'])
    db.close()
    const { open } = await import('node:fs/promises')
    const file = await open(path, 'r+')
    await file.write(Buffer.alloc(2048, 0xff), 0, 2048, (root - 1) * 4096)
    await file.close()
    await assert.rejects(openStore(path, { clock }), { code: 'store-damaged' })
  })

  test('denies a place where no file can be made', async () => {
    await assert.rejects(openStore(join(folder, 'none/store.db'), { clock }), { code: 'config-unreadable' })
  })

  test('denies a setting that does not fit its schema', async () => {
    const { z } = await import('zod')
    const store = await openStore(':memory:', { clock })
    await store.settings.put('offset', { seconds: 'many' })
    await assert.rejects(store.settings.get('offset', z.object({ seconds: z.number() })), { code: 'store-damaged' })
    await store.settings.put('offset', { seconds: 5 })
    assert.deepEqual(await store.settings.get('offset', z.object({ seconds: z.number() })), { seconds: 5 })
    assert.equal(await store.settings.get('none', z.string()), undefined)
    await store.close()
  })

  test('denies the outer queries inside a transaction: they would wait for themselves', async () => {
    const db = await openDatabase(':memory:', clock)
    await assert.rejects(
      db.transaction(() => db.queries.setting.count()),
      /its own queries/,
    )
    await assert.rejects(
      db.transaction(() => db.transaction(() => Promise.resolve())),
      /inside another/,
    )
    assert.equal(await db.queries.setting.count(), 0)
    await db.close()
  })
})

test('opens with mode 0600, WAL and synchronous = FULL, as read back', async () => {
  const path = fresh()
  const db = await openDatabase(path, clock)
  for (const [pragma, value] of [
    ['journal_mode', 'wal'],
    ['synchronous', 2n],
    ['foreign_keys', 1n],
  ] as const) {
    const [row] = await db.queries.$queryRawUnsafe<Record<string, unknown>[]>(`PRAGMA ${pragma}`)
    assert.equal(String(row?.[pragma]), String(value))
  }
  await db.queries.setting.create({ data: { key: 'a', value: 'b' } })
  for (const name of await readdir(folder)) {
    if (name.startsWith(path.slice(folder.length + 1))) assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name)
  }
  await db.close()
})

test('killed in an open transaction: what was committed stands, nothing of the rest', async () => {
  const path = fresh()
  const writer = await child(path, 'hang', 'open')
  writer.kill()
  await writer.exited
  const db = await openDatabase(path, clock)
  assert.equal(await db.queries.setting.count({ where: { key: { startsWith: 'committed' } } }), 50)
  assert.equal(await db.queries.setting.count({ where: { key: { startsWith: 'open' } } }), 0)
  await db.close()
})

test('two processes that write at once: every write is there', async () => {
  const path = fresh()
  await (await openStore(path, { clock })).close()
  const [a, b] = await Promise.all([child(path, 'a', 'done'), child(path, 'b', 'done')])
  assert.deepEqual([await a.exited, await b.exited], [0, 0])
  const db = await openDatabase(path, clock)
  assert.equal(await db.queries.setting.count(), 80)
  await db.close()
})

test('a transaction that throws leaves nothing, and the queue goes on', async () => {
  const db = await openDatabase(fresh(), clock)
  const jobs = Array.from({ length: 10 }, (_, i) =>
    db.transaction(async (queries) => {
      await queries.setting.create({ data: { key: `row ${i}`, value: '' } })
      if (i % 2 === 1) throw new Error('no')
    }),
  )
  const outcomes = await Promise.allSettled([...jobs, db.queries.setting.create({ data: { key: 'plain', value: '' } })])
  assert.equal(outcomes.filter(({ status }) => status === 'rejected').length, 5)
  assert.equal(await db.queries.setting.count(), 6)
  await db.close()
})

test('a copy is whole and opens', async () => {
  const store = await openStore(fresh(), { clock })
  await store.issues.raise('disk-full', 'host', '5 %')
  const copy = fresh()
  store.copyTo(copy)
  await store.close()
  await store.close()
  const second = await openStore(copy, { clock })
  assert.equal((await second.issues.list())[0]?.code, 'disk-full')
  await second.close()
})

test('importing starts nothing', async () => {
  const code = `await import(${JSON.stringify(join(import.meta.dirname, 'store.ts'))}); await import(${JSON.stringify(
    join(import.meta.dirname, '../chain/provisioner.ts'),
  )})`
  const process_ = spawn(process.execPath, ['--input-type=module', '-e', code], { cwd: folder, stdio: 'inherit' })
  const exit = await new Promise((resolve) => process_.once('exit', resolve))
  // it ended by itself: no timer, socket or file was left open
  assert.equal(exit, 0)
})
