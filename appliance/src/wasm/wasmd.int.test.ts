import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { systemClock } from '../clock/clock.ts'
import { createWasmClient } from './host-client.ts'

const folder = mkdtempSync(join(tmpdir(), 'freehold-wasmd-'))
const socket = join(folder, 'run/host.sock')
const state = join(folder, 'state')
const logFile = join(folder, 'wasmd.log')
const config = join(folder, 'wasm.yaml')
const started: ChildProcess[] = []
after(() => {
  for (const child of started) child.kill('SIGKILL')
  rmSync(folder, { recursive: true })
})

interface Ended {
  code: number | null
  stderr: string
}

function start(file = config): { child: ChildProcess; ended: Promise<Ended> } {
  const args = [join(import.meta.dirname, 'wasmd.ts'), '--config', file, '--state', state, '--host-socket', socket]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'], env: {} })
  started.push(child)
  let stderr = ''
  child.stderr?.on('data', (part: Buffer) => (stderr += part.toString()))
  const { promise, resolve } = Promise.withResolvers<Ended>()
  child.once('close', (code) => resolve({ code, stderr }))
  return { child, ended: promise }
}

async function until<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const end = performance.now() + 20_000
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    assert.ok(performance.now() < end, `${what} did not come`)
    await systemClock.wait(20)
  }
}

/** Address of the newest start that the log tells of. */
async function up(times: number): Promise<string> {
  return await until('the daemon', () => {
    const lines = existsSync(logFile) ? readFileSync(logFile, 'utf8').split('\n') : []
    const found = lines.filter((line) => line.includes('"listens_at"'))
    return found.length < times ? undefined : (JSON.parse(found.at(-1) ?? '{}') as { listens_at: string }).listens_at
  })
}

const children = (pid: number) => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)

suite('freehold-wasmd', () => {
  test('refuses a configuration with unknown or wrong fields, and names each', async () => {
    const wrong = join(folder, 'wrong.yaml')
    writeFileSync(wrong, 'server: {port: 99999}\nwasm: {max_memry_mb: 1}\n')
    const { code, stderr } = await start(wrong).ended
    assert.equal(code, 1)
    assert.match(stderr, /\/server\/port: /)
    assert.match(stderr, /\/wasm\/max_memry_mb: this field is not known/)
    const missing = await start(join(folder, 'none.yaml')).ended
    assert.deepEqual([missing.code, /could not be read/.test(missing.stderr)], [1, true])
  })

  test('starts, refuses a second one, keeps its log and keys over kill -9, ends at SIGTERM with its executors', async () => {
    writeFileSync(config, `server: {port: 0, workers: 2}\nlogging: {file: ${logFile}}\npayment: {free_gas_per_day: '1000000'}\n`)
    const first = start()
    const base = await up(1)
    const door = createWasmClient(socket)
    try {
      const second = await start().ended
      assert.deepEqual([second.code, /Freehold runs already/.test(second.stderr)], [1, true])
      assert.equal(((await (await fetch(`http://${base}/health`)).json()) as { status: string }).status, 'ok')

      const wallet = `0x${'ab'.repeat(20)}`
      const key = await door.createKey({ wallet, label: 'a', scopes: ['execute'], expiresAt: null })
      const once = async (at: string) =>
        (await fetch(`http://${at}/v1/keys`, { method: 'POST', headers: { 'x-api-key': key.text } })).status
      assert.equal(await once(base), 201)
      const hostKey = (await door.overview()).hostKey

      // a crash: nothing is said, nothing is tidied up
      const executors = children(first.child.pid ?? 0)
      assert.equal(executors.length, 2)
      first.child.kill('SIGKILL')
      await first.ended
      await until('the end of the executors', () => (executors.some((pid) => existsSync(`/proc/${pid}`)) ? undefined : true))
      const again = start()
      const next = await up(2)
      assert.equal(await once(next), 201, 'the API key counts still')
      assert.deepEqual((await door.overview()).hostKey, hostKey, 'receipts go on under the same key')
      assert.deepEqual(
        (await door.keys(wallet)).map((one) => one.id),
        [key.id],
      )

      // a rotated log: SIGHUP opens it anew
      renameSync(logFile, `${logFile}.1`)
      again.child.kill('SIGHUP')
      await until('the new log', () => (existsSync(logFile) ? true : undefined))
      await fetch(`http://${next}/health`)
      await until('a line in it', () => (readFileSync(logFile, 'utf8').includes('/health') ? true : undefined))

      const living = children(again.child.pid ?? 0)
      again.child.kill('SIGTERM')
      assert.deepEqual(await again.ended, { code: 0, stderr: '' })
      assert.deepEqual(
        living.filter((pid) => existsSync(`/proc/${pid}`)),
        [],
      )
      const said = readFileSync(`${logFile}.1`, 'utf8') + readFileSync(logFile, 'utf8')
      assert.ok(!said.includes(key.text.slice(-30)), 'no secret is in the log')
    } finally {
      door.close()
    }
  })

  test('takes the door that systemd has opened, whoever may open its path', async () => {
    writeFileSync(config, `server: {port: 0, workers: 1}\nlogging: {file: ${logFile}}\n`)
    const before = readFileSync(logFile, 'utf8').split('"listens_at"').length - 1
    const path = join(folder, 'given.sock')
    const opened = createServer()
    await new Promise<void>((resolve) => opened.listen(path, resolve))
    const { fd } = (opened as unknown as { _handle: { fd: number } })._handle
    const args = [
      process.execPath,
      join(import.meta.dirname, 'wasmd.ts'),
      '--config',
      config,
      '--state',
      state,
      '--host-socket',
      '/nowhere/at/all',
    ]
    // LISTEN_PID is that of the process itself, which the shell becomes
    const child = spawn('sh', ['-c', 'LISTEN_PID=$$ exec "$@"', 'sh', ...args], {
      stdio: ['ignore', 'ignore', 'ignore', fd],
      env: { LISTEN_FDS: '1' },
    })
    started.push(child)
    await up(before + 1)
    // our copy goes, and takes away only the name that it knew
    renameSync(path, `${path}.moved`)
    await new Promise((resolve) => opened.close(resolve))
    const door = createWasmClient(`${path}.moved`)
    assert.equal((await door.overview()).log.kept >= 0, true)
    door.close()
    child.kill('SIGTERM')
    await new Promise((resolve) => child.once('close', resolve))
  })

  test("the daemon's door: scopes of wallets, other people's keys, how many, and nobody at the socket", async () => {
    writeFileSync(config, `server: {port: 0, workers: 1}\nlogging: {file: ${logFile}}\n`)
    const before = readFileSync(logFile, 'utf8').split('"listens_at"').length - 1
    const { child, ended } = start()
    await up(before + 1)
    const door = createWasmClient(socket)
    const [mine, theirs] = [`0x${'11'.repeat(20)}`, `0x${'22'.repeat(20)}`]
    await assert.rejects(door.createKey({ wallet: mine, label: '', scopes: ['admin'], expiresAt: null }), { code: 'bad-input' })
    const key = await door.createKey({ wallet: mine, label: 'x', scopes: ['verify'], expiresAt: null })
    await assert.rejects(door.revokeKey(key.id, theirs), { code: 'not-found' })
    await assert.rejects(door.rotateKey(key.id, theirs), { code: 'not-found' })
    const rotated = await door.rotateKey(key.id, mine)
    assert.notEqual(rotated.text, key.text)
    await door.revokeKey(rotated.id, mine)
    await assert.rejects(door.rotateKey(rotated.id, mine), { code: 'not-found' })
    // one goes on for a day beside its successor
    for (let n = 1; n < 20; n += 1) await door.createKey({ wallet: mine, label: '', scopes: ['verify'], expiresAt: null })
    await assert.rejects(door.createKey({ wallet: mine, label: '', scopes: ['verify'], expiresAt: null }), {
      code: 'not-in-this-state',
    })
    assert.deepEqual(await door.checkReceipt('a.b.c').then(({ signed, logged }) => [signed, logged]), [false, false])
    child.kill('SIGTERM')
    await ended
    await assert.rejects(door.overview(), { code: 'wasm-down' })
    door.close()
  })
})
