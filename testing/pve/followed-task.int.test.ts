import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { testKey } from '@freehold/appliance/hypervisor/contract-suite'
import { until } from '@freehold/appliance/dev/supervisor'
import { openDriverStand } from './driver-stand.ts'
import { verbs } from './matrix.ts'

// A process of its own begins a task and is killed while it runs. Its UPID is on disk before anything is asked of it; the next
// process follows that very task and begins no other.

const folder = mkdtempSync(join(tmpdir(), 'pve-followed-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'template.qcow2')
execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, '64M'])
const template = { path, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') }

/** The request that begins the task, by verb. `anew`: asked again it means the state of now, so another follows the first one. */
const begun: Record<string, { method: string; path: RegExp; type: string; anew?: true }> = {
  create: { method: 'POST', path: /clone$/, type: 'qmclone' },
  importTemplate: { method: 'POST', path: /\/qemu$/, type: 'qmcreate' },
  'importTemplate, its upload': { method: 'POST', path: /upload$/, type: 'imgcopy' },
  start: { method: 'POST', path: /status\/start$/, type: 'qmstart' },
  'stop graceful': { method: 'POST', path: /status\/shutdown$/, type: 'qmshutdown' },
  snapshot: { method: 'POST', path: /snapshot$/, type: 'qmsnapshot', anew: true },
  destroy: { method: 'DELETE', path: /\{vmid\}$/, type: 'qmdestroy' },
}

suite('Proxmox driver: a task outlives the process that began it', () => {
  for (const [name, { method, path: where, type, anew }] of Object.entries(begun)) {
    test(`denies a second ${type} after a kill -9 between its request and its end: the same task is followed`, async (t) => {
      const journalFile = join(folder, `${type}.json`)
      const stand = await openDriverStand({ journalFile })
      t.after(() => stand.close())
      const verb = verbs.find((one) => one.name === name.split(',')[0])
      assert.ok(verb !== undefined)
      const cell = { key: testKey(1n), template }
      if (verb.ownTemplate !== true) await stand.hypervisor.importTemplate(template)
      await verb.before(stand.hypervisor, cell)
      await stand.hypervisor.close()
      const release = Promise.withResolvers<void>()
      t.after(() => release.resolve())
      stand.faults.arm({ kind: 'task-held', until: release.promise }, { method, path: where })
      const from = stand.log.length
      const held = () => [...stand.world.tasks.values()].filter((task) => task.type === type && task.endtime === undefined)
      const kept = () => (existsSync(journalFile) ? readFileSync(journalFile, 'utf8') : '')
      const asks = (upid: string, since: number) =>
        stand.log.slice(since).filter((l) => l.verb === 'GET' && l.path.endsWith(`${encodeURIComponent(upid)}/status`))

      // whoever asks for the task while its UPID is not on disk yet is caught
      const early: string[] = []
      const { push } = stand.log
      stand.log.push = (...lines) => {
        for (const { path: asked } of lines) {
          const upid = /tasks\/([^/]+)\/status$/.exec(asked)?.[1]
          const known = upid !== undefined && held().some((task) => task.upid === decodeURIComponent(upid))
          if (known && !kept().includes(decodeURIComponent(upid))) early.push(asked)
        }
        return push.apply(stand.log, lines)
      }
      const given = {
        authority: stand.authority.pem,
        nodes: Object.fromEntries([...stand.servers].map(([node, server]) => [node, server.port])),
        token: stand.token,
        journalFile,
        template,
        verb: verb.name,
        tokenId: '1',
      }
      const child = spawn(process.execPath, [join(import.meta.dirname, 'driver-child.ts'), JSON.stringify(given)], {
        stdio: ['ignore', 'inherit', 'inherit'],
        timeout: 120_000,
      })
      const ended = once(child, 'close')
      t.after(() => child.kill('SIGKILL'))
      await until(
        `the first look at its ${type}`,
        90,
        () => Promise.resolve(held().some((task) => asks(task.upid, from).length > 0)),
        10,
      )
      child.kill('SIGKILL')
      const [, signal] = (await ended) as [number | null, string | null]
      assert.equal(signal, 'SIGKILL', 'it was through before it was killed')
      const [task] = held()
      assert.ok(task !== undefined && stand.faults.struck.some((s) => s.fault === 'task-held'))
      assert.deepEqual(early, [], 'asked for before it was on disk')
      assert.ok(kept().includes(task.upid))

      let overlapped = false
      const { startTask } = stand.world
      stand.world.startTask = (...what) => {
        overlapped ||= what[1] === type && task.endtime === undefined
        return startTask.apply(stand.world, what)
      }
      const resumedFrom = stand.log.length
      const again = verb.run(stand.again(), cell)
      await until('the next process to ask for it', 60, () => Promise.resolve(asks(task.upid, resumedFrom).length > 0), 10)
      release.resolve()
      await again
      verb.after(stand, cell)
      const others = [...stand.world.tasks.values()].filter((one) => one.type === type && one.pid > task.pid)
      assert.equal(others.length, anew === true ? 1 : 0, 'another one was begun')
      assert.equal(overlapped, false, 'another one was begun before the first had ended')
      assert.ok(!kept().includes(task.upid), 'it is still kept after its end')
    })
  }
})
