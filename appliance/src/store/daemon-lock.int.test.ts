import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, type TestContext } from 'node:test'
import { reliability } from '../dev/reliability.ts'
import { holdDaemonLock } from './daemon-lock.ts'

const program = join(import.meta.dirname, '../freeholdd.ts')

async function stateFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-lock-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A daemon as a process; resolves once its door is open or it has ended. */
async function daemon(t: TestContext, folder: string) {
  const child = spawn(process.execPath, [program, '--state', folder], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = once(child, 'exit') as Promise<[number | null]>
  let over = false
  void ended.then(() => (over = true))
  const limit = performance.now() + 20_000
  while (!over && !output.includes('freeholdd is up')) {
    assert.ok(performance.now() < limit, output)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return { child, ended, output: () => output, over: () => over }
}

async function answers(folder: string): Promise<boolean> {
  const socket = createConnection(join(folder, 'run/admin.sock'))
  const said = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return said
}

await suite('one daemon on a state folder', () => {
  reliability(
    'two-daemons-one-folder',
    'a second daemon on the same folder ends before it touches anything; the first goes on',
    async (fault, t) => {
      const folder = await stateFolder(t)
      const first = await daemon(t, folder)
      assert.ok(!first.over(), first.output())
      const inode = statSync(join(folder, 'run/admin.sock')).ino
      const second = await daemon(t, folder)
      const [code] = await second.ended
      fault.struck(code)
      assert.notEqual(code, 0)
      assert.match(second.output(), /already-running|runs already/)
      assert.equal(statSync(join(folder, 'run/admin.sock')).ino, inode, 'its door is the same')
      assert.ok(await answers(folder))
      assert.ok(!first.over())
    },
  )

  reliability('two-daemons-one-folder', 'after kill -9 the next one starts at once', async (fault, t) => {
    const folder = await stateFolder(t)
    const first = await daemon(t, folder)
    first.child.kill('SIGKILL')
    await first.ended
    fault.struck(existsSync(join(folder, 'run/admin.sock')))
    const second = await daemon(t, folder)
    assert.ok(!second.over(), second.output())
    assert.ok(await answers(folder))
  })

  reliability(
    'crash-stop-signal',
    'E10: SIGTERM to the daemon: it ends with 0, nobody answers at its door, its lock is free',
    async (fault, t) => {
      const folder = await stateFolder(t)
      const lock = join(folder, 'run/freeholdd.lock')
      const { child, ended, output, over } = await daemon(t, folder)
      assert.ok(!over() && (await answers(folder)), output())
      assert.throws(() => holdDaemonLock(lock), { code: 'already-running' })
      child.kill('SIGTERM')
      const [code] = await ended
      fault.struck(/stopping/.exec(output())?.[0])
      assert.deepEqual([code, child.signalCode], [0, null], output())
      assert.equal(await answers(folder), false)
      holdDaemonLock(lock).release()
      const next = await daemon(t, folder)
      assert.ok(!next.over() && (await answers(folder)), next.output())
    },
  )

  reliability(
    'two-daemons-one-folder',
    'the lock refuses within one process too, and is free after its release',
    async (fault, t) => {
      const path = join(await stateFolder(t), 'lock')
      const held = holdDaemonLock(path)
      assert.throws(() => holdDaemonLock(path), { code: 'already-running' })
      fault.struck(existsSync(path))
      held.release()
      holdDaemonLock(path).release()
    },
  )
})
