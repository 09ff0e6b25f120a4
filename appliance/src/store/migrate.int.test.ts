import assert from 'node:assert/strict'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, beforeEach, describe, test } from 'node:test'
import { migrate, migrationsFolder } from './migrate.ts'
import { schemaDrift } from './schema-diff.ts'

let folder: string
let db: DatabaseSync
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-migrate-'))
})
after(() => rm(folder, { recursive: true }))
beforeEach(async () => {
  db = new DatabaseSync(':memory:', { enableForeignKeyConstraints: true })
  await rm(folder, { recursive: true })
  await cp(migrationsFolder, folder, { recursive: true })
})
const add = (name: string, sql: string): Promise<void> => writeFile(join(folder, name), sql)
const tables = (): unknown[] =>
  db
    .prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'zz%'")
    .all()
    .map((row) => row['name'])

describe('denials', () => {
  test('denies a migration that was changed after it was applied', async () => {
    await add('0900-one.sql', 'CREATE TABLE zz1 (a TEXT);')
    migrate(db, 1, folder)
    await add('0900-one.sql', 'CREATE TABLE zz1 (a TEXT, b TEXT);')
    assert.throws(() => migrate(db, 2, folder), { code: 'store-mismatch' })
  })

  test('denies a database that a newer version wrote', async () => {
    await add('0900-one.sql', 'CREATE TABLE zz1 (a TEXT);')
    migrate(db, 1, folder)
    assert.throws(() => migrate(db, 2), { code: 'store-mismatch' })
  })

  test('a migration that fails half-way leaves nothing, and those before it stand', async () => {
    await add('0900-one.sql', 'CREATE TABLE zz1 (a TEXT);')
    await add('0901-two.sql', 'CREATE TABLE zz2 (a TEXT); CREATE TABLE zz1 (a TEXT);')
    assert.throws(() => migrate(db, 1, folder), /already exists/)
    assert.deepEqual(tables(), ['zz1'])
    await add('0901-two.sql', 'CREATE TABLE zz2 (a TEXT);')
    assert.deepEqual(migrate(db, 2, folder), ['0901-two.sql'])
  })

  test('denies a migration that leaves a broken reference', async () => {
    await add('0900-one.sql', 'CREATE TABLE zz1 (a TEXT PRIMARY KEY); CREATE TABLE zz2 (a TEXT REFERENCES zz1 (a));')
    await add('0901-two.sql', "INSERT INTO zz2 VALUES ('nowhere');")
    assert.throws(() => migrate(db, 1, folder), { code: 'store-mismatch' })
    assert.equal(db.prepare('SELECT count(*) AS n FROM zz2').get()?.['n'], 0)
    assert.equal(db.prepare('PRAGMA foreign_keys').get()?.['foreign_keys'], 1)
  })
})

test('a table that others refer to can be rebuilt with its rows', async () => {
  await add(
    '0900-one.sql',
    'CREATE TABLE zz1 (a TEXT PRIMARY KEY); CREATE TABLE zz2 (a TEXT REFERENCES zz1 (a) ON DELETE CASCADE);',
  )
  migrate(db, 1, folder)
  db.exec("INSERT INTO zz1 VALUES ('x'); INSERT INTO zz2 VALUES ('x')")
  // as the schema engine writes it
  await add(
    '0901-two.sql',
    `CREATE TABLE zz1_new (a TEXT PRIMARY KEY, b TEXT NOT NULL DEFAULT '');
     INSERT INTO zz1_new (a) SELECT a FROM zz1; DROP TABLE zz1; ALTER TABLE zz1_new RENAME TO zz1;`,
  )
  migrate(db, 2, folder)
  assert.equal(db.prepare('SELECT count(*) AS n FROM zz2').get()?.['n'], 1, 'the cascade did not fire')
})

test('a second run does nothing', () => {
  assert.ok(migrate(db, 1).length > 0)
  assert.deepEqual(migrate(db, 2), [])
})

test('the migrations make exactly the tables of the schema', async () => {
  assert.equal(await schemaDrift(), '')
})
