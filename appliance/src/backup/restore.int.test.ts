import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test, type TestContext } from 'node:test'
import { z } from 'zod'
import { systemClock } from '../clock/clock.ts'
import { reliability } from '../dev/reliability.ts'
import { openStore } from '../store/store.ts'
import { filePart } from './contents.ts'
import { newRecoveryKey } from './keys.ts'
import type { Manifest } from './manifest.ts'
import { createRestore, type Restore } from './restore.ts'
import { restoredSchema, restoredSetting } from './restored.ts'
import { readSealed, writeSealed } from './seal.ts'
import { stagedFolder, takeOverStaged } from './staged.ts'
import { backupStand, secretWords, type BackupStand } from './test-stand.ts'

const sessions = { 'setup sessions': '[{"hash":"of this machine","expiresAt":1}]' }

/** A host with one backup on its drive. */
async function host(t: TestContext): Promise<{ stand: BackupStand; file: string }> {
  const stand = await backupStand()
  t.after(() => stand.close())
  const { store } = stand
  await store.sessions.create({ idHash: 'a', publicId: 'b', address: '0x1', source: 'c', createdAt: 1, expiresAt: 9_000_000_000 })
  await store.settings.put('setup storage fake', true)
  await store.settings.put('setup draft', {})
  await store.settings.put('vms-kept-stopped', ['x'])
  await store.audit.append({ who: 'operator', what: 'before', target: 'host', result: 'x', transactionHash: null })
  return { stand, file: join(stand.drive, (await stand.open().make()).name) }
}

/** A machine that is not set up: some secrets of its own, an empty database that is open. */
async function bareMachine(
  t: TestContext,
): Promise<{ stateFolder: string; restore: Restore; send(file: string): Promise<void> }> {
  const stateFolder = await mkdtemp(join(tmpdir(), 'freehold-bare-'))
  t.after(() => rm(stateFolder, { recursive: true, force: true }))
  await mkdir(join(stateFolder, 'secrets'), { mode: 0o700 })
  await writeFile(join(stateFolder, 'secrets/provisioner.key'), 'of this machine', { mode: 0o600 })
  await mkdir(join(stateFolder, 'tls'))
  await writeFile(join(stateFolder, 'tls/first-boot.pem'), 'of this machine')
  const store = await openStore(join(stateFolder, 'freehold.db'), { clock: systemClock })
  await store.audit.append({ who: 'operator', what: 'on the bare machine', target: 'host', result: 'x', transactionHash: null })
  await store.close()
  const restore = createRestore({
    stateFolder,
    clock: systemClock,
    carryOver: () => Promise.resolve(sessions),
    mayRestore: () => Promise.resolve(),
    read: (job) => readSealed(job.path, job.open, job.unpackTo),
  })
  return {
    stateFolder,
    restore,
    async send(file) {
      const content = await readFile(file)
      for (let at = 0; at < content.length; at += 10_000) await restore.piece(at, content.subarray(at, at + 10_000))
    },
  }
}

/** All files below a folder with their content; SQLite's own by their names. */
async function world(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  const pairs = names.map(async (entry): Promise<[string, string]> => {
    const path = join(entry.parentPath, entry.name)
    return [path.slice(folder.length + 1), entry.name.startsWith('freehold.db') ? '' : await readFile(path, 'utf8')]
  })
  return Object.fromEntries((await Promise.all(pairs)).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

async function unchanged(stateFolder: string, before: Record<string, string>): Promise<void> {
  assert.equal(await takeOverStaged(stateFolder), undefined)
  const now = await world(stateFolder)
  for (const name of Object.keys(now)) if (name.startsWith('restore/')) delete now[name]
  assert.deepEqual(now, before)
}

const damages = [
  {
    row: 'restore-damaged',
    title: 'a backup with a flipped byte is restored: refused, nothing is changed',
    damage: (content: Buffer) => {
      content[content.length - 50] = (content[content.length - 50] ?? 0) ^ 1
      return content
    },
  },
  {
    row: 'restore-cut',
    title: 'a backup that is cut off is restored: refused, nothing is changed',
    damage: (content: Buffer) => content.subarray(0, content.length - 1),
  },
  {
    row: 'restore-no-backup',
    title: 'a file that is no backup is restored: refused, nothing is changed',
    damage: () => Buffer.from('a photograph'),
  },
]

suite('a machine that comes back from a backup', () => {
  test('has secrets, certificates and history of then; logins end, its own provisioner key stays, nothing is removed', async (t) => {
    const { stand, file } = await host(t)
    const bare = await bareMachine(t)
    await bare.send(file)
    const restored = await bare.restore.stage(stand.key.identity)
    assert.equal(restored.origin, 'https://host.example')
    assert.ok(!existsSync(join(bare.stateFolder, 'secrets/authority.key')), 'nothing is in use before the next start')
    await takeOverStaged(bare.stateFolder)

    const at = (path: string): Promise<string> => readFile(join(bare.stateFolder, path), 'utf8')
    assert.equal(await at('secrets/sign-in/master'), secretWords.master)
    assert.equal(await at('secrets/authority.key'), secretWords.authority)
    assert.equal(await at('secrets/provisioner.key'), 'of this machine')
    assert.equal(await at('tls/first-boot.pem'), 'of this machine')
    assert.equal(await readlink(join(bare.stateFolder, 'tls/site')), 'issued-00AA11BB22CC33DD')
    assert.match(await at('restored-freehold.yaml'), /^mode: embedded$/m)
    assert.ok(!existsSync(join(bare.stateFolder, 'freehold.yaml')), 'it is set up by a person, not by the backup')
    const aside = (await readdir(bare.stateFolder)).find((name) => name.startsWith('before-restore-')) ?? ''
    assert.ok(existsSync(join(bare.stateFolder, aside, 'freehold.db')), 'what stood there lies aside')
    const store = await openStore(join(bare.stateFolder, 'freehold.db'), { clock: systemClock })
    t.after(() => store.close())
    assert.deepEqual(
      (await store.audit.list()).items.map(({ what }) => what),
      ['restore', 'before'],
    )
    assert.deepEqual(await store.settings.get(restoredSetting, restoredSchema), restored)
    assert.deepEqual(await store.settings.get('vms-kept-stopped', z.unknown()), ['x'])
    for (const gone of ['setup storage fake', 'setup draft', 'backups']) {
      assert.equal(await store.settings.get(gone, z.unknown()), undefined, gone)
    }
    assert.ok(
      await store.settings.get('setup sessions', z.unknown()),
      'the browser that restores is not asked for the code again',
    )
    const db = new DatabaseSync(join(bare.stateFolder, 'freehold.db'), { readOnly: true })
    t.after(() => db.close())
    assert.deepEqual(db.prepare('SELECT count(*) AS n FROM sessions').get()?.['n'], 0)
  })

  reliability('restore-wrong-key', 'a backup is restored with another key: refused, nothing is changed', async (fault, t) => {
    const { file } = await host(t)
    const bare = await bareMachine(t)
    const before = await world(bare.stateFolder)
    await bare.send(file)
    const refused = await bare.restore.stage((await newRecoveryKey()).identity).catch((error: unknown) => error)
    fault.struck((refused as { code?: string }).code === 'backup-key-wrong')
    await unchanged(bare.stateFolder, before)
  })

  for (const { row, title, damage } of damages) {
    reliability(row, `${title}`, async (fault, t) => {
      const { stand, file } = await host(t)
      const bare = await bareMachine(t)
      const before = await world(bare.stateFolder)
      const bad = damage(await readFile(file))
      await writeFile(file, bad)
      await bare.send(file)
      await assert.rejects(bare.restore.stage(stand.key.identity), { code: 'backup-unreadable' })
      fault.struck((await bare.restore.received()) === bad.length)
      await unchanged(bare.stateFolder, before)
      // the same machine takes the next file
      await bare.restore.piece(0, Buffer.from('x'))
      assert.equal(await bare.restore.received(), 1)
    })
  }

  reliability(
    'restore-newer',
    'a backup of a newer version is restored: refused by version or by its database, nothing is changed',
    async (fault, t) => {
      const { stand, file } = await host(t)
      const manifest = await readSealed(file, stand.key)
      const db = await filePart('freehold.db', join(stand.stateFolder, 'freehold.yaml'))
      const files = [{ path: db.path, bytes: db.bytes, sha256: db.sha256, mode: db.mode }]
      for (const changes of [{ version: 2 }, { schema: '9999-later.sql' }]) {
        const bare = await bareMachine(t)
        const before = await world(bare.stateFolder)
        await rm(file)
        await writeSealed(file, { ...manifest, files, links: [], ...changes } as Manifest, [db], {
          recipients: [stand.key.recipient],
        })
        await bare.send(file)
        const refused = await bare.restore.stage(stand.key.identity).catch((error: unknown) => error)
        fault.struck((refused as { code?: string }).code === 'backup-newer')
        await unchanged(bare.stateFolder, before)
      }
    },
  )

  reliability('restore-gap', 'pieces of a backup come twice or out of order: refused, and sent anew', async (fault, t) => {
    const { stand, file } = await host(t)
    const bare = await bareMachine(t)
    await bare.restore.piece(0, Buffer.from('12345'))
    const refused = await bare.restore.piece(7, Buffer.from('x')).catch((error: unknown) => error)
    fault.struck((refused as { code?: string }).code === 'bad-input')
    await bare.send(file)
    await bare.restore.stage(stand.key.identity)
  })

  reliability(
    'restore-killed',
    'kill -9 anywhere while a restore is taken over: begun again it ends in the same world',
    async (fault, t) => {
      const { stand, file } = await host(t)
      const bare = await bareMachine(t)
      await bare.send(file)
      await bare.restore.stage(stand.key.identity)
      const copy = `${bare.stateFolder}.copy`
      t.after(() => rm(copy, { recursive: true, force: true }))
      const run = async (dieAfter: number): Promise<number | null> => {
        const child = fork(join(import.meta.dirname, 'take-over-child.ts'), [copy, String(dieAfter)], {
          execArgv: [],
          silent: true,
        })
        const { promise, resolve } = Promise.withResolvers<number | null>()
        child.once('exit', (code) => resolve(code))
        return await promise
      }
      await cp(bare.stateFolder, copy, { recursive: true, verbatimSymlinks: true })
      assert.equal(await run(0), 0)
      const whole = await world(copy)
      // renames of database, secrets, links, and what is removed last
      for (const dieAfter of process.env['FREEHOLD_ALL'] === '1' ? [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] : [1, 2, 3, 6, 9]) {
        await rm(copy, { recursive: true, force: true })
        await cp(bare.stateFolder, copy, { recursive: true, verbatimSymlinks: true })
        const code = await run(dieAfter)
        if (code === 0) break
        fault.struck(existsSync(join(copy, stagedFolder)))
        assert.equal(await run(0), 0)
        assert.deepEqual(await world(copy), whole, `killed after ${dieAfter} renames`)
      }
    },
  )
})
