import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, suite, test } from 'node:test'
import { compileInChild } from 'wasmtime-node/compiler'
import { fromText } from 'wasmtime-node/wat'
import { ExecutorPool } from './executor-pool.ts'
import { hasNoNetwork, opensNoFile, sandboxed } from './sandbox.ts'
import type { ExecutorCall } from './messages.ts'

const pool = new ExecutorPool({ workers: 2, engine: { slots: 128, threads: 1 } })
after(() => pool.close())

const spin = await compileInChild(await fromText('(module (func (export "main") (loop br 0)))'))
const add = await compileInChild(
  await fromText('(module (func (export "main") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'),
)
const call = (program: string, more: Partial<ExecutorCall> = {}): ExecutorCall => ({
  program,
  functionName: 'main',
  values: [],
  gasLimit: 10n ** 15n,
  milliseconds: 10_000,
  maxMemoryBytes: 2 ** 26,
  region: false,
  ...more,
})
const adding = call('add', { values: [{ value: 40 }, { value: 2 }], gasLimit: 1000n })

suite('executors', () => {
  test('hold no secret, no socket and no file of ours', async () => {
    await pool.compatibility()
    for (const pid of pool.pids) {
      const names = readFileSync(`/proc/${pid}/environ`, 'utf8')
        .split('\0')
        .map((line) => line.split('=')[0] ?? '')
      assert.deepEqual(
        names.filter((name) => name !== '' && !name.startsWith('NODE_CHANNEL')),
        [],
        'nothing but the channel',
      )
      const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
      const others = links.filter((link) => !/^(\/dev\/null|\/dev\/urandom|anon_inode:|pipe:|socket:|\/memfd:)/.test(link))
      assert.deepEqual(
        others.filter((link) => !link.endsWith('.node')),
        [],
      )
      assert.ok(links.filter((link) => link.startsWith('socket:')).length <= 3, `${links.join(' ')}`)
    }
  })

  test('kill -9 with 50 calls in flight: those are lost, the others go on, and calls are taken at once', async () => {
    await pool.allReady()
    const inFlight = Array.from({ length: 50 }, () => pool.run(call('spin', { milliseconds: 5000 }), spin))
    const [victim] = pool.pids
    // one round trip: every call before it has reached its executor
    await pool.run(adding, add)
    assert.ok(victim !== undefined)
    process.kill(victim, 'SIGKILL')
    const struck = performance.now()
    // until the kernel has told us of the death a call may still go there and be lost
    while ((await pool.run(adding, add)).kind !== 'outcome') assert.ok(performance.now() - struck < 60_000)
    const ends = await Promise.all(inFlight)
    const lost = ends.filter((end) => end.kind === 'lost').length
    assert.ok(lost >= 20 && lost <= 30, `${lost} lost`)
    for (const end of ends) if (end.kind === 'outcome') assert.equal(end.outcome.status, 'deadline')
    assert.equal(pool.restarts, 1)
    await pool.compatibility()
    assert.equal(pool.pids.length, 2)
  })

  test('one that answers no more is killed after its time, its call is lost, and another takes its place', async () => {
    const impatient = new ExecutorPool({ workers: 1, engine: { slots: 8, threads: 1 }, hungAfterMs: 300 })
    try {
      await impatient.allReady()
      const [victim] = impatient.pids
      assert.ok(victim !== undefined)
      process.kill(victim, 'SIGSTOP')
      assert.deepEqual(await impatient.run({ ...adding, milliseconds: 1 }, add), { kind: 'lost' })
      assert.equal(impatient.restarts, 1)
      assert.ok(!impatient.pids.includes(victim))
    } finally {
      await impatient.close()
    }
  })

  // waits out what a hang once was: with --all
  if (process.env['FREEHOLD_ALL'] === '1')
    test('one that is kept from the processor beyond a deadline is not hung: its calls end as they should', async () => {
      const patient = new ExecutorPool({ workers: 1, engine: { slots: 8, threads: 1 } })
      try {
        await patient.allReady()
        const [slow] = patient.pids
        assert.ok(slow !== undefined)
        process.kill(slow, 'SIGSTOP')
        const under = patient.run(call('spin', { milliseconds: 1 }), spin)
        // longer than any deadline of a call, and than what once counted as hung
        setTimeout(() => process.kill(slow, 'SIGCONT'), 6000)
        const end = await under
        assert.equal(end.kind === 'outcome' && end.outcome.status, 'deadline')
        assert.deepEqual([patient.restarts, patient.pids], [0, [slow]])
      } finally {
        await patient.close()
      }
    })

  test('a refused call says why and runs nothing', async () => {
    const end = await pool.run(call('add', { functionName: 'none' }), add)
    assert.deepEqual([end.kind, end.kind === 'refused' && end.code], ['refused', 'function-not-found'])
    const broken = await pool.run(call('broken'), Buffer.from('no machine code'))
    assert.deepEqual([broken.kind, broken.kind === 'refused' && broken.code], ['refused', 'artifact-damaged'])
  })

  test('an aborted call ends with its gas', async () => {
    const abort = new AbortController()
    const running = pool.run(call('spin'), spin, abort.signal)
    await pool.run(adding, add)
    abort.abort()
    const end = await running
    assert.equal(end.kind === 'outcome' && end.outcome.status, 'cancelled')
  })

  test('many calls at once, each with its own answer; programs travel once', async () => {
    const ends = await Promise.all(
      Array.from({ length: 500 }, (_, n) => pool.run({ ...adding, values: [{ value: n }, { value: 1 }] }, add)),
    )
    ends.forEach((end, n) => assert.equal(end.kind === 'outcome' && end.outcome.results?.[0]?.value, n + 1))
  })
})

suite('what stands around an executor', () => {
  test('limits of the kernel: files, no core; no network where a namespace is allowed', async () => {
    await pool.compatibility()
    const [pid] = pool.pids
    const kernel = readFileSync(`/proc/${pid}/limits`, 'utf8')
    assert.match(kernel, /Max file size +268435456 /)
    assert.match(kernel, /Max core file size +0 /)
    const [own, theirs] = ['self', String(pid)].map((which) => readlinkSync(`/proc/${which}/ns/net`))
    // asked of the kernel here as well: a service that never tried would agree with itself
    const { status } = spawnSync('unshare', ['--user', '--map-current-user', '--net', '--', 'true'], { timeout: 60_000 })
    assert.deepEqual([theirs !== own, hasNoNetwork()], [status === 0, status === 0])
    if (!hasNoNetwork()) return
    const devices = readFileSync(`/proc/${pid}/net/dev`, 'utf8').trim().split('\n').slice(2)
    assert.deepEqual(
      devices.map((line) => line.trim().split(':')[0]),
      ['lo'],
    )
    assert.equal(readFileSync(`/proc/${pid}/net/route`, 'utf8').trim().split('\n').length, 1, 'nothing but the head of the table')
  })

  test('where the kernel can: a taken-over executor reads no file of its own user, signals and traces nobody', async () => {
    await pool.compatibility()
    const [pid] = pool.pids
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    // what a guest that broke out would do, by a program in the executor's place
    const folder = mkdtempSync(join(tmpdir(), 'freehold-wasm-aside-'))
    const secret = join(folder, 'wasm-signing.pem')
    writeFileSync(secret, 'secret', { mode: 0o600 })
    const tries = `
      const { readFileSync, writeFileSync, readdirSync } = require('node:fs')
      const said = (act) => { try { act(); return 'done' } catch (error) { return error.code } }
      process.stdout.write(JSON.stringify({
        read: said(() => readFileSync(${JSON.stringify(secret)})),
        list: said(() => readdirSync(${JSON.stringify(folder)})),
        write: said(() => writeFileSync(${JSON.stringify(join(folder, 'new'))}, 'x')),
        environment: said(() => readFileSync('/proc/${process.pid}/environ')),
        memory: said(() => readFileSync('/proc/${process.pid}/mem')),
        signal: said(() => process.kill(${process.pid}, 0)),
        own: said(() => process.kill(process.pid, 0)),
      }))`
    const heard = async (words: readonly string[]): Promise<Record<string, string>> => {
      const command = [...words, process.execPath, '-e', tries]
      const child = spawn(command[0] ?? '', command.slice(1), { env: {}, stdio: ['ignore', 'pipe', 'inherit'] })
      return JSON.parse(await text(child.stdout)) as Record<string, string>
    }
    try {
      const free = await heard([])
      assert.deepEqual([free['read'], free['signal']], ['done', 'done'], 'without the wall it would')
      if (!opensNoFile()) return
      assert.match(status, /^NoNewPrivs:\t1$/m)
      const { own, signal, ...files } = await heard(sandboxed([]))
      assert.deepEqual(new Set(Object.values(files)), new Set(['EACCES']))
      assert.deepEqual([own, signal], ['done', 'EPERM'])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
