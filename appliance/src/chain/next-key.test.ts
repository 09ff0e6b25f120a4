import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { nextKeyIn } from './next-key.ts'
import { loadOrCreateKey } from './provisioner-key.ts'

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fh-next-key-'))
  t.after(() => rm(folder, { recursive: true }))
  return folder
}

test('there is no next key until it is asked for, and asking again makes no other', async (t) => {
  const next = nextKeyIn(await folderOf(t))
  assert.equal(await next.address(), null)
  const address = await next.make()
  assert.equal(await next.make(), address)
  assert.equal(await next.address(), address)
})

test('the next key takes the place of the one in use, which is kept; without a next key nothing happens', async (t) => {
  const folder = await folderOf(t)
  const inUse = join(folder, 'provisioner.key')
  const former = await loadOrCreateKey(inUse)
  const formerText = await readFile(inUse, 'utf8')
  const next = nextKeyIn(folder)
  await next.promote()
  assert.equal((await loadOrCreateKey(inUse)).address, former.address)
  const address = await next.make()
  await next.promote()
  assert.equal((await loadOrCreateKey(inUse)).address, address)
  assert.equal(await readFile(join(folder, `provisioner-${former.address}.key`), 'utf8'), formerText)
  await next.promote()
  assert.equal((await readdir(folder)).length, 2)
})

test('a crash between keeping the former key and taking the next one is made good', async (t) => {
  const folder = await folderOf(t)
  const former = await loadOrCreateKey(join(folder, 'provisioner.key'))
  const next = nextKeyIn(folder)
  const address = await next.make()
  // the copy of the former key was made, and no more
  await loadOrCreateKey(join(folder, `provisioner-${former.address}.key`))
  await next.promote()
  assert.equal((await loadOrCreateKey(join(folder, 'provisioner.key'))).address, address)
})
