import assert from 'node:assert/strict'
import { copyFile, mkdtemp, open, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite } from 'node:test'
import { z } from 'zod'
import { systemClock } from '../clock/clock.ts'
import { reliability } from '../dev/reliability.ts'
import { AppError } from '../errors/app-error.ts'
import { openStore, type Store } from './store.ts'

const clock = systemClock
const writes = 60
let folder: string
let files = 0
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-power-'))
})
after(() => rm(folder, { recursive: true }))

const fresh = (): string => join(folder, `${(files += 1)}.db`)

/** The two files as the disk has them when the power goes: an open store, nothing carried over from its log. */
async function cut(): Promise<{ path: string; walBytes: number }> {
  const live = fresh()
  await (await openStore(live, { clock })).close()
  const store = await openStore(live, { clock })
  for (let n = 0; n < writes; n += 1) await store.settings.put(`key ${n}`, `${n} `.repeat(100))
  const path = fresh()
  await copyFile(live, path)
  await copyFile(`${live}-wal`, `${path}-wal`)
  await store.close()
  return { path, walBytes: (await stat(`${path}-wal`)).size }
}

/** How many writes are there; fails if one is missing in between or if one is not whole. */
async function kept(store: Store): Promise<number> {
  let count = 0
  let ended = false
  for (let n = 0; n < writes; n += 1) {
    const value = await store.settings.get(`key ${n}`, z.string())
    if (value === undefined) ended = true
    else {
      assert.ok(!ended, `write ${n} is there, an earlier one is not`)
      assert.equal(value, `${n} `.repeat(100))
      count += 1
    }
  }
  return count
}

async function garble(path: string, from: number, bytes: number): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(Buffer.alloc(bytes, 0xa5), 0, bytes, from)
  await file.sync()
  await file.close()
}

async function refuses(path: string): Promise<AppError> {
  try {
    await (await openStore(path, { clock })).close()
  } catch (error) {
    assert.ok(error instanceof AppError)
    assert.equal(error.code, 'store-damaged')
    // what a person reads names the way out
    assert.match(error.hint, /freehold rebuild|restore/)
    return error
  }
  assert.fail('a damaged database was served')
}

suite('power cut', () => {
  reliability('crash-database-wal-cut', 'the log ends anywhere: all writes before the cut, none after it', async (fault) => {
    const found = new Set<number>()
    const { path, walBytes } = await cut()
    for (let part = 0; part <= 12; part += 1) {
      const copy = fresh()
      await copyFile(path, copy)
      await copyFile(`${path}-wal`, `${copy}-wal`)
      // 7 bytes aside of any frame: the last one is torn
      await truncate(`${copy}-wal`, Math.max(0, Math.floor((walBytes * part) / 12) - 7))
      const store = await openStore(copy, { clock })
      found.add(await kept(store))
      await store.settings.put('after', 'written')
      await store.close()
    }
    fault.struck([...found].filter((count) => count < writes))
    assert.ok(found.size > 5 && found.has(0), `writes found: ${[...found].join(', ')}`)
  })

  reliability(
    'crash-database-wal-torn',
    'a torn write in the middle of the log: what lies before it is served',
    async (fault) => {
      const { path, walBytes } = await cut()
      await garble(`${path}-wal`, Math.floor(walBytes / 2), 512)
      const store = await openStore(path, { clock })
      const count = await kept(store)
      await store.close()
      fault.struck(count < writes)
      assert.ok(count > 0, 'writes before the torn one are served')
    },
  )

  reliability('crash-database-cut-short', 'the file is cut short: refused, with the way out', async (fault) => {
    const path = fresh()
    const store = await openStore(path, { clock })
    for (let n = 0; n < writes; n += 1) await store.settings.put(`key ${n}`, 'value '.repeat(500))
    await store.close()
    const { size } = await stat(path)
    await truncate(path, Math.floor(size / 2 / 4096) * 4096)
    fault.struck((await stat(path)).size < size)
    await refuses(path)
  })

  reliability(
    'crash-database-garbage',
    'a page of garbage, at the head or inside: refused, never served in part',
    async (fault) => {
      for (const page of [0, 2, 5]) {
        const path = fresh()
        const store = await openStore(path, { clock })
        for (let n = 0; n < writes; n += 1) await store.settings.put(`key ${n}`, 'value '.repeat(500))
        await store.close()
        await garble(path, page * 4096, 4096)
        fault.struck((await refuses(path)).code)
        // refused again: nothing was made up in between
        await refuses(path)
      }
    },
  )
})
