import assert from 'node:assert/strict'
import { execFile, fork, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rename, rm, stat, statfs, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { systemClock } from '../clock/clock.ts'
import { reliability } from '../dev/reliability.ts'
import { backupName, markerName, partOf } from './folder.ts'
import { newRecoveryKey } from './keys.ts'
import { makeOne } from './make-one.ts'
import { readSealed } from './seal.ts'
import { makeInThread, readInThread } from './thread.ts'
import { backupStand, secretWords, testInstallation, type BackupStand } from './test-stand.ts'

const run = promisify(execFile)

async function open(t: TestContext): Promise<BackupStand> {
  const stand = await backupStand()
  t.after(() => stand.close())
  return stand
}

const backupsIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.endsWith('.age')).toSorted()

async function flip(path: string, at: number): Promise<void> {
  const content = await readFile(path)
  content[at] = (content[at] ?? 0) ^ 1
  await writeFile(path, content)
}

suite('the sealed backups of a host', () => {
  test('hold configuration, secrets, database and certificates, no key of the provisioner, and nothing in clear', async (t) => {
    const stand = await open(t)
    const view = await stand.open().make()
    assert.equal(view.found, 'good')
    const path = join(stand.drive, view.name)
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    const sealed = await readFile(path, 'latin1')
    for (const word of Object.values(secretWords)) assert.ok(!sealed.includes(word))
    const unpacked = join(stand.stateFolder, 'unpacked')
    await mkdir(unpacked)
    const manifest = await readSealed(path, stand.key, unpacked)
    assert.deepEqual(
      manifest.files.map((file) => file.path),
      [
        'freehold.yaml',
        'secrets/authority.key',
        'secrets/backup-read-back.key',
        'secrets/sign-in/master',
        'tls/authority/root.pem',
        'tls/issued-00AA11BB22CC33DD/key.pem',
        'freehold.db',
      ],
    )
    assert.equal(await readFile(join(unpacked, 'secrets/sign-in/master'), 'utf8'), secretWords.master)
    assert.deepEqual(manifest.links, [{ path: 'tls/site', target: 'issued-00AA11BB22CC33DD' }])
    assert.deepEqual(await readdir(join(stand.stateFolder, 'backup-work')), [], 'no copy of the database stays in clear')
  })

  test('are made in a thread of their own, also under a passphrase', async (t) => {
    const stand = await open(t)
    const passphraseFile = join(stand.stateFolder, 'passphrase')
    await writeFile(passphraseFile, 'correct horse battery staple\n', { mode: 0o600 })
    const backups = stand.open(
      { recipient: undefined, passphraseFile },
      { work: { make: (job, signal) => makeInThread({ ...job, workFactor: 10 }, signal), read: readInThread } },
    )
    const view = await backups.make()
    assert.equal(view.found, 'good')
    const path = join(stand.drive, view.name)
    await readSealed(path, { passphrase: 'correct horse battery staple' })
    await assert.rejects(readInThread({ path, open: { passphrase: 'correct horse battery stable' } }), {
      code: 'backup-key-wrong',
    })
  })

  test('nobody can open them, so none are made: the words say what to do', async (t) => {
    const stand = await open(t)
    const backups = stand.open({ recipient: undefined })
    await assert.rejects(backups.make(), { code: 'backup-not-set-up' })
    await backups.tick()
    assert.deepEqual(await backupsIn(stand.drive), [])
    assert.equal((await backups.health()).sealed, false)
  })

  test('a passphrase that others can read is refused', async (t) => {
    const stand = await open(t)
    const passphraseFile = join(stand.stateFolder, 'passphrase')
    await writeFile(passphraseFile, 'correct horse battery staple\n')
    await chmod(passphraseFile, 0o644)
    await assert.rejects(stand.open({ recipient: undefined, passphraseFile }).make(), { code: 'config-unreadable' })
  })

  test('are made by the schedule and after a change of secrets; the oldest go, foreign files stay', async (t) => {
    const stand = await open(t)
    const foreign = [backupName('bbbbbbbbbbbb', 1), 'photos.tar.gz.age']
    for (const name of foreign) await writeFile(join(stand.drive, name), 'not ours')
    const backups = stand.open({ keep: 2 })
    const ours = async () => (await backupsIn(stand.drive)).filter((name) => !foreign.includes(name))
    await backups.tick()
    const [first = ''] = await ours()
    await backups.tick()
    assert.equal((await ours()).length, 1, 'nothing is due')
    await writeFile(join(stand.stateFolder, 'secrets/alerts.json'), '{"channels":[]}', { mode: 0o600 })
    stand.clock.advance(60)
    await backups.tick()
    assert.equal((await ours()).length, 2, 'a change of secrets')
    stand.clock.advance(86_400)
    await backups.tick()
    assert.equal((await ours()).length, 2, 'the oldest went')
    assert.ok(!(await ours()).includes(first))
    for (const name of foreign) assert.equal(await readFile(join(stand.drive, name), 'utf8'), 'not ours')
    assert.deepEqual(
      (await backups.state()).backups.map((one) => one.found),
      ['good', 'good'],
    )
  })

  test('a program of the operator brings each one elsewhere; one that fails is told', async (t) => {
    const stand = await open(t)
    const elsewhere = join(stand.stateFolder, '../elsewhere')
    const copied = async (backups: ReturnType<BackupStand['open']>) => {
      for (;;) {
        const { copied: told } = await backups.state()
        if (told !== null) return told
        await stand.clock.wait(20)
      }
    }
    const backups = stand.open({ copy: ['cp', '{file}', elsewhere] })
    const { name } = await backups.make()
    assert.equal((await copied(backups)).ok, true)
    assert.deepEqual(await readFile(elsewhere), await readFile(join(stand.drive, name)))
    await stand.store.settings.remove('backups')
    const failing = stand.open({ copy: ['false'] })
    await failing.make()
    assert.equal((await copied(failing)).ok, false)
    assert.match((await failing.health()).failure ?? '', /elsewhere/)
  })

  reliability(
    'backup-folder-missing',
    'the drive of the backups is not mounted: nothing is written in its place, it is told, and goes on once it is back',
    async (fault, t) => {
      const stand = await open(t)
      const backups = stand.open()
      const { name } = await backups.make()
      const away = `${stand.drive}.away`
      await rename(stand.drive, away)
      await mkdir(stand.drive)
      await assert.rejects(backups.make(), { code: 'backup-folder-missing' })
      fault.struck(!existsSync(join(stand.drive, markerName)))
      assert.deepEqual(await readdir(stand.drive), [])
      assert.equal((await backups.state()).failure?.code, 'backup-folder-missing')
      assert.match((await backups.health()).failure ?? '', /not mounted/)
      await rm(stand.drive, { recursive: true })
      await rename(away, stand.drive)
      stand.clock.advance(700)
      await backups.make()
      assert.deepEqual([(await backups.state()).failure, (await backupsIn(stand.drive)).includes(name)], [null, true])
    },
  )

  reliability(
    'backup-folder-missing',
    'the drive is pulled out while a backup is written: it does not count',
    async (fault, t) => {
      const stand = await open(t)
      const away = `${stand.drive}.away`
      const backups = stand.open(
        {},
        {
          work: {
            async make(job) {
              const made = await makeOne(job)
              await rename(stand.drive, away)
              await mkdir(stand.drive)
              return made
            },
            read: (job) => readSealed(job.path, job.open),
          },
        },
      )
      await assert.rejects(backups.make(), { code: 'backup-folder-missing' })
      fault.struck(existsSync(away))
      assert.deepEqual([await backupsIn(stand.drive), (await backups.health()).lastGoodAt], [[], null])
    },
  )

  reliability('backup-damaged', 'a byte of a backup flips: verify says so, and another one is made', async (fault, t) => {
    const stand = await open(t)
    const backups = stand.open()
    const { name, bytes } = await backups.make()
    await flip(join(stand.drive, name), bytes - 40)
    const view = await backups.verify(name)
    fault.struck(view.found === 'damaged')
    assert.equal((await backups.health()).lastGoodAt, null, 'a damaged one is no good one')
    stand.clock.advance(1)
    await backups.tick()
    assert.deepEqual(
      (await backups.state()).backups.map((one) => one.found),
      ['good', 'damaged'],
    )
  })

  reliability(
    'backup-cut',
    'a backup is cut off: seen by its length, told by verify, and another one is made',
    async (fault, t) => {
      const stand = await open(t)
      const backups = stand.open()
      const { name, bytes } = await backups.make()
      await truncate(join(stand.drive, name), bytes - 1)
      fault.struck((await stat(join(stand.drive, name))).size < bytes)
      assert.equal((await backups.state()).backups[0]?.found, null)
      stand.clock.advance(1)
      await backups.tick()
      assert.equal((await backups.verify(name)).found, 'damaged')
      assert.equal((await backups.state()).backups.length, 2)
    },
  )

  reliability(
    'backup-not-read-back',
    'what was written does not open again: it never gets a name, and is told',
    async (fault, t) => {
      const stand = await open(t)
      const other = await newRecoveryKey()
      const backups = stand.open(
        {},
        { work: { make: (job) => makeOne({ ...job, open: other }), read: (job) => readSealed(job.path, job.open) } },
      )
      await assert.rejects(backups.make(), { code: 'backup-key-wrong' })
      const { failure } = await backups.state()
      fault.struck(failure?.code === 'backup-key-wrong')
      assert.deepEqual(
        (await readdir(stand.drive)).filter((name) => name !== markerName),
        [],
      )
      assert.equal((await backups.health()).lastGoodAt, null)
    },
  )

  reliability(
    'backup-disk-full',
    'the drive of the backups is full: told, the former ones stay, no half is left',
    async (fault, t) => {
      const stand = await open(t)
      await run('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', stand.drive])
      try {
        const backups = stand.open()
        const { name } = await backups.make()
        const before = await readFile(join(stand.drive, name))
        await writeFile(join(stand.stateFolder, 'secrets/large'), randomBytes(300_000), { mode: 0o600 })
        stand.clock.advance(1)
        await assert.rejects(backups.make(), { code: 'storage-full' })
        fault.struck((await statfs(stand.drive)).blocks * 4096 < 300_000)
        assert.deepEqual(
          (await readdir(stand.drive)).filter((one) => one !== markerName),
          [name],
        )
        assert.deepEqual(await readFile(join(stand.drive, name)), before)
        assert.equal((await backups.state()).failure?.code, 'storage-full')
      } finally {
        await run('umount', [stand.drive])
      }
    },
  )

  reliability(
    'backup-killed',
    'kill -9 in the middle of a backup: no half counts, the next one takes it away',
    async (fault, t) => {
      const stand = await open(t)
      const backups = stand.open()
      await backups.make()
      const child = fork(join(import.meta.dirname, 'kill-child.ts'), [stand.stateFolder, stand.drive, stand.key.recipient], {
        execArgv: [],
      })
      t.after(() => child.kill('SIGKILL'))
      await written(join(stand.drive, partOf(backupName(testInstallation, 1))), child)
      child.kill('SIGKILL')
      await gone(child)
      const halves = (await readdir(stand.drive)).filter((name) => name.endsWith('.part'))
      fault.struck(halves)
      assert.equal((await backups.state()).backups.length, 1, 'a half is no backup')
      stand.clock.advance(1)
      await backups.make()
      assert.deepEqual(
        (await readdir(stand.drive)).filter((name) => name.endsWith('.part')),
        [],
      )
      assert.deepEqual(
        (await backups.state()).backups.map((one) => one.found),
        ['good', 'good'],
      )
    },
  )

  reliability(
    'backup-other-key',
    'the recovery key was changed: former backups are told apart from damaged ones',
    async (fault, t) => {
      const stand = await open(t)
      const { name } = await stand.open().make()
      const other = await newRecoveryKey()
      await assert.rejects(readSealed(join(stand.drive, name), other), { code: 'backup-key-wrong' })
      await rm(join(stand.stateFolder, 'secrets/backup-read-back.key'))
      const backups = stand.open({ recipient: other.recipient })
      await assert.rejects(backups.verify(name), { code: 'backup-key-wrong' })
      fault.struck(name)
      assert.equal((await backups.state()).backups[0]?.found, 'good', 'what was known of it stands')
      await readSealed(join(stand.drive, name), stand.key)
    },
  )

  test('another host’s backups in the same folder are neither listed, opened nor given out', async (t) => {
    const stand = await open(t)
    const backups = stand.open()
    await backups.make()
    const foreign = backupName('bbbbbbbbbbbb', 1)
    await writeFile(join(stand.drive, foreign), 'not ours')
    assert.equal((await backups.state()).backups.length, 1)
    for (const name of [foreign, '../state/secrets/authority.key', 'x', backupName(testInstallation, 1)]) {
      await assert.rejects(backups.verify(name), { code: 'not-found' })
      await assert.rejects(backups.download(name), { code: 'not-found' })
    }
  })
})

/** Resolves once a megabyte of the file is on the drive. */
async function written(path: string, child: ChildProcess): Promise<void> {
  while (((await stat(path).catch(() => undefined))?.size ?? 0) < 1_000_000) {
    assert.equal(child.exitCode, null, 'the child ended by itself')
    await systemClock.wait(20)
  }
}

async function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const { promise, resolve } = Promise.withResolvers<void>()
  child.once('exit', () => resolve())
  await promise
}
