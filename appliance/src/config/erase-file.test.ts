import assert from 'node:assert/strict'
import { link, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { eraseFile } from './erase-file.ts'

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fh-erase-'))
  t.after(() => rm(folder, { recursive: true }))
  return folder
}

test('I7 what a second name still leads to is overwritten, and the first name is gone', async (t) => {
  const folder = await folderOf(t)
  const [path, witness] = [join(folder, 'key'), join(folder, 'witness')]
  await writeFile(path, 'secret of one host')
  await link(path, witness)
  await eraseFile(path)
  assert.deepEqual(await readdir(folder), ['witness'])
  assert.deepEqual(await readFile(witness), Buffer.alloc(18))
})

test('killed half-way it ends what was begun; where nothing is it does nothing', async (t) => {
  const folder = await folderOf(t)
  const path = join(folder, 'key')
  await writeFile(path, 'secret')
  await rename(path, `${path}.going`)
  await eraseFile(path)
  await eraseFile(path)
  assert.deepEqual(await readdir(folder), [])
})

test('denies to follow a link to the file of somebody else', async (t) => {
  const folder = await folderOf(t)
  await writeFile(join(folder, 'other'), 'kept')
  await symlink(join(folder, 'other'), join(folder, 'key'))
  await assert.rejects(eraseFile(join(folder, 'key')), { code: 'ELOOP' })
  assert.equal(await readFile(join(folder, 'other'), 'utf8'), 'kept')
})
