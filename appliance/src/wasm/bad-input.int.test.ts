import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { sealRequest, type HostKey, type RunRequest, type SealedRequest } from '@freehold/wasm-client/seal'
import { moduleOfBody, nestedConditions } from 'wasmtime-node/binary-module'
import { fromText } from 'wasmtime-node/wat'
import { MovableClock } from '../clock/clock.ts'
import { openWasm, type OpenWasm } from './open-wasm.ts'
import { wasmConfigSchema } from './wasm-config.ts'
import { wasmErrors, type WasmErrorCode } from './wasm-error.ts'

// every code that the service has, each with status and body, and that nothing is different afterwards
const clock = new MovableClock()
const folder = mkdtempSync(join(tmpdir(), 'freehold-wasm-bad-'))
const logged: string[] = []
/** Stands in every program and argument here: found anywhere else, something leaked. */
const marker = 'marker-7f3a9c'
const [rich, poor] = [`0x${'cd'.repeat(20)}`, `0x${'ab'.repeat(20)}`]
let wasm: OpenWasm
let url: string
/** A request that has run. */
let ran: SealedRequest | undefined
const keys: Record<string, string> = {}

before(async () => {
  wasm = await openWasm({
    config: wasmConfigSchema.parse({
      server: { port: 0, workers: 1 },
      wasm: { max_execution_time_seconds: 1, memory_budget_mb: 40, max_module_mb: 1, default_gas_limit: '1000000' },
      rate: { requests_per_second: 1, requests_burst: 60 },
      payment: { free_gas_per_day: '0' },
    }),
    folder,
    clock,
    arriveMs: 1500,
    gasPerDay: (wallet) => (wallet === poor ? 0n : 10n ** 14n),
    logLine: (line) => void logged.push(JSON.stringify(line)),
  })
  await wasm.app.listen({ host: '127.0.0.1', port: 0 })
  url = `http://127.0.0.1:${(wasm.app.server.address() as AddressInfo).port}`
  for (const label of ['good', 'fast', 'second']) {
    keys[label] = wasm.apiKeys.create({ label, scopes: ['execute', 'verify'], wallet: rich, expiresAt: null }).text
  }
  keys['reader'] = wasm.apiKeys.create({ label: 'r', scopes: ['verify'], wallet: null, expiresAt: null }).text
  keys['poor'] = wasm.apiKeys.create({ label: 'p', scopes: ['execute'], wallet: poor, expiresAt: null }).text
  ran = await seal('(module (func (export "main")))')
  assert.equal((await execute(ran)).status, 200)
})
after(async () => {
  await wasm.close()
  rmSync(folder, { recursive: true })
})

interface Said {
  status: number
  headers: Headers
  body: Record<string, unknown>
}

async function say(method: string, path: string, body?: unknown, key = keys['good'], headers: object = {}): Promise<Said> {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(key !== undefined && { 'x-api-key': key }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Said['body'] }
}

async function hostKey(): Promise<HostKey> {
  const { keys: offered } = (await (await fetch(`${url}/v1/keys`)).json()) as { keys: HostKey[] }
  assert.ok(offered[0] !== undefined)
  return offered[0]
}

const now = () => new Date(clock.now() * 1000)
/** Programs that were sealed so far. */
let programs = 0
async function seal(module: Uint8Array | string, more: Partial<RunRequest> = {}, key?: HostKey): Promise<SealedRequest> {
  const bytes = typeof module === 'string' ? await fromText(module) : module
  programs += 1
  const request = { function_name: 'main', arguments: [], timeout_seconds: 1, client_id: marker, ...more }
  return (await sealRequest(key ?? (await hostKey()), bytes, request, now())).body
}
const execute = async (body: unknown, key?: string) => say('POST', '/v1/execute', body, key)
const data = `(memory 1) (data (i32.const 0) "${marker}")`
const noop = `(module ${data} (func (export "main")))`
const add = `(module ${data} (func (export "main") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))`
const two = (a: string | number, b: string | number) => ({ arguments: [{ value: a }, { value: b }] })
const long = `(module ${data} (func (export "main") (param i64) (result i64) (local.get 0)))`
const float = `(module ${data} (func (export "main") (param f32) (result f32) (local.get 0)))`
const regionAt = (pointer: number, length: number) =>
  `(module (memory (export "memory") 1) (func (export "main") (result i32 i32) (i32.const ${pointer}) (i32.const ${length})))`

/** From here on a program is not read as text. */
const large = 'A'.repeat(100_000)

type Row = [code: WasmErrorCode, what: string, send: () => Promise<Said>, runs?: 'runs']
const rows: Row[] = [
  ['INVALID_REQUEST', 'an unknown field', async () => execute({ ...(await seal(noop)), admin: true })],
  ['INVALID_REQUEST', 'a missing field', async () => execute({ ...(await seal(noop)), public_key: undefined })],
  ['INVALID_REQUEST', 'a field of another type', async () => execute({ ...(await seal(noop)), arguments: 'none' })],
  ['INVALID_REQUEST', 'timeout_seconds 301', async () => execute({ ...(await seal(noop)), timeout_seconds: 301 })],
  ['INVALID_REQUEST', 'a member twice', async () => execute(JSON.stringify(await seal(noop)).replace('{', '{"nonce":"x",'))],
  [
    'INVALID_REQUEST',
    'NaN as a bare word',
    async () => execute(JSON.stringify(await seal(add, two(1, 2))).replace('"value":1', '"value":NaN')),
  ],
  ['INVALID_REQUEST', 'half a body', async () => execute(JSON.stringify(await seal(noop)).slice(0, -5))],
  ['INVALID_REQUEST', 'an array', async () => execute([])],
  ['INVALID_REQUEST', '100,000 brackets', async () => execute('['.repeat(100_000))],
  [
    'INVALID_REQUEST',
    'a request of last year',
    async () => execute({ ...(await seal(noop)), issued_at: '2020-01-01T00:00:00Z' }),
  ],
  ['INVALID_REQUEST', 'a hash that is none', () => say('GET', '/verify/x?commitment_type=result&hash_value=xyz')],
  [
    'INVALID_REQUEST',
    'a large program twice',
    async () =>
      execute(JSON.stringify({ ...(await seal(noop)), encrypted_wasm: large }).replace('{', `{"encrypted_wasm":"${large}",`)),
  ],
  ['ENCRYPTION_ERROR', 'a large program of nothing', async () => execute({ ...(await seal(noop)), encrypted_wasm: large })],
  [
    'ENCRYPTION_ERROR',
    'a large program that is no base64',
    async () => execute({ ...(await seal(noop)), encrypted_wasm: large.replaceAll('A', '*') }),
  ],
  ['ENCRYPTION_ERROR', 'malformed base64', async () => execute({ ...(await seal(noop)), encrypted_wasm: '*not base64*' })],
  [
    'ENCRYPTION_ERROR',
    'base64 that another text would say too',
    async () => execute({ ...(await seal(noop)), public_key: `${(await seal(noop)).public_key} ` }),
  ],
  [
    'ENCRYPTION_ERROR',
    'a point off the curve',
    async () =>
      execute({ ...(await seal(noop)), public_key: Buffer.concat([Buffer.from([4]), randomBytes(64)]).toString('base64') }),
  ],
  [
    'ENCRYPTION_ERROR',
    'the point at infinity',
    async () => execute({ ...(await seal(noop)), public_key: Buffer.from([0]).toString('base64') }),
  ],
  [
    'ENCRYPTION_ERROR',
    'a compressed point',
    async () =>
      execute({ ...(await seal(noop)), public_key: Buffer.concat([Buffer.from([2]), randomBytes(32)]).toString('base64') }),
  ],
  [
    'ENCRYPTION_ERROR',
    'another argument than was sealed',
    async () => execute({ ...(await seal(add, two(1, 2))), ...two(1, 3) }),
  ],
  [
    'KEY_EXPIRED',
    'a one-time key again',
    async () => {
      const key = (await say('POST', '/v1/keys')).body as unknown as HostKey
      await execute(await seal('(module (import "a" "b" (func)))', {}, key))
      return execute(await seal(noop, {}, key))
    },
  ],
  ['UNKNOWN_KEY', 'a key of nobody', async () => execute({ ...(await seal(noop)), key_id: 'f'.repeat(32) })],
  ['UNAUTHORIZED', 'no key', async () => execute(await seal(noop), '')],
  [
    'UNAUTHORIZED',
    'a key with one character changed',
    async () =>
      execute(
        await seal(noop),
        keys['good']?.replace(/.$/, (c) => (c === 'a' ? 'b' : 'a')),
      ),
  ],
  ['ALLOWANCE_SPENT', 'a wallet without a subscription', async () => execute(await seal(noop), keys['poor'])],
  ['SCOPE_MISSING', 'a key that may only verify', async () => execute(await seal(noop), keys['reader'])],
  [
    'COMMITMENT_NOT_FOUND',
    'a run that never was',
    () => say('GET', `/verify/none?commitment_type=result&hash_value=${'0'.repeat(64)}`),
  ],
  ['NOT_FOUND', 'a path that leads nowhere', () => say('GET', '/v1/execute/all')],
  [
    'REPLAY_DETECTED',
    'the same sealed request',
    async () => {
      assert.ok(ran !== undefined)
      return execute(ran)
    },
  ],
  [
    'PAYLOAD_TOO_LARGE',
    'a body over the limit',
    async () => execute({ ...(await seal(noop)), encrypted_wasm: 'A'.repeat(2 * 2 ** 20) }),
  ],
  [
    'PAYLOAD_TOO_LARGE',
    'a module over the limit',
    async () => execute(await seal(Buffer.concat([await fromText(noop), Buffer.alloc(2 ** 20)]))),
  ],
  ['INVALID_WASM', 'random bytes', async () => execute(await seal(randomBytes(300)))],
  ['INVALID_WASM', 'nothing at all', async () => execute(await seal(new Uint8Array()))],
  ['IMPORTS_NOT_ALLOWED', 'an import', async () => execute(await seal('(module (import "env" "f" (func)))'))],
  ['FUNCTION_NOT_FOUND', 'an unknown function', async () => execute(await seal(noop, { function_name: 'other' }))],
  ['FUNCTION_NOT_FOUND', 'a memory called as a function', async () => execute(await seal('(module (memory (export "main") 1))'))],
  ['INVALID_ARGUMENTS', 'too few', async () => execute(await seal(add, { arguments: [{ value: 1 }] }))],
  ['INVALID_ARGUMENTS', 'too many', async () => execute(await seal(noop, two(1, 2)))],
  [
    'INVALID_ARGUMENTS',
    'another type',
    async () => execute(await seal(add, { arguments: [{ value: 1, type: 'f64' }, { value: 2 }] })),
  ],
  ['INVALID_ARGUMENTS', 'NaN for an integer', async () => execute(await seal(add, two('NaN', 1)))],
  ['INVALID_ARGUMENTS', 'a fraction for an integer', async () => execute(await seal(add, two(1.5, 1)))],
  [
    'INVALID_ARGUMENTS',
    'i64 beyond its range',
    async () => execute(await seal(long, { arguments: [{ value: '18446744073709551616' }] })),
  ],
  [
    'INVALID_ARGUMENTS',
    'i64 below its range',
    async () => execute(await seal(long, { arguments: [{ value: '-9223372036854775809' }] })),
  ],
  [
    'INVALID_ARGUMENTS',
    'i64 as a number that has lost digits',
    async () => execute(await seal(long, { arguments: [{ value: 2 ** 60 }] })),
  ],
  ['INVALID_ARGUMENTS', 'a word for a float', async () => execute(await seal(float, { arguments: [{ value: 'nan(0x1)' }] }))],
  [
    'COMPILATION_TIMEOUT',
    'a compile bomb',
    async () => execute(await seal(moduleOfBody(Buffer.concat(Array.from({ length: 180 }, () => nestedConditions(990)))))),
  ],
  [
    'MEMORY_EXCEEDED',
    'a memory that begins over the cap',
    async () => execute(await seal('(module (memory 1025) (func (export "main")))')),
  ],
  [
    'CAPACITY_EXCEEDED',
    'a memory over the budget of all',
    async () => execute(await seal('(module (memory 800) (func (export "main")))')),
  ],
  [
    'RATE_LIMITED',
    'more than the rate of the key',
    async () => {
      for (let n = 0; n < 100; n += 1) {
        const said = await say('POST', '/v1/keys', undefined, keys['fast'])
        if (said.status === 429) return said
      }
      throw new Error('no rate')
    },
  ],
  [
    'EXECUTION_TIMEOUT',
    'an endless loop',
    async () => execute(await seal('(module (func (export "main") (loop br 0)))', { gas_limit: '100000000000000' })),
    'runs',
  ],
  [
    'MEMORY_EXCEEDED',
    'a trap after a refused grow',
    async () =>
      execute(await seal('(module (memory 1) (func (export "main") (drop (memory.grow (i32.const 60000))) unreachable))')),
    'runs',
  ],
  [
    'GAS_EXHAUSTED',
    'more work than gas',
    async () => execute(await seal('(module (func (export "main") (loop br 0)))', { gas_limit: '5000' })),
    'runs',
  ],
  [
    'INVALID_ARGUMENTS',
    'a result_region that lies outside the memory',
    async () => execute(await seal(regionAt(65_530, 7), { result_region: true })),
    'runs',
  ],
  [
    'INVALID_ARGUMENTS',
    'a result_region of a function that names none',
    async () => execute(await seal(noop, { result_region: true })),
    'runs',
  ],
  ['WASM_TRAP', 'a trap', async () => execute(await seal('(module (func (export "main") unreachable))')), 'runs'],
  [
    'INTERNAL',
    'an executor that dies',
    async () => {
      const body = await seal('(module (func (export "main") (loop br 0)))', { gas_limit: '100000000000000' })
      const said = execute(body)
      const limit = performance.now() + 60_000
      while (wasm.pool.load === 0 && performance.now() < limit) await clock.wait(5)
      for (const pid of wasm.pool.pids) process.kill(pid, 'SIGKILL')
      return said
    },
    'runs',
  ],
]

const day = () => Math.floor(clock.now() / 86_400)
/** All that a refusal must leave as it was. */
const state = () => ({
  log: wasm.log.head(),
  keys: wasm.apiKeys.list().map((key) => ({ ...key, lastUsedAt: null })),
  outcomes: wasm.store.outcomes(day()),
  artifacts: readdirSync(folder, { recursive: true }).filter((name) => /artifacts\/./.test(String(name))).length,
})

suite('bad input', () => {
  test('every code of the service stands in the table', () => {
    assert.deepEqual([...new Set(rows.map(([code]) => code))].toSorted(), Object.keys(wasmErrors).toSorted())
  })

  for (const [code, what, send, runs] of rows) {
    test(`${code}: ${what}`, async () => {
      const before = state()
      const said = await send()
      const { error_code: got, message, timestamp, request_id: id } = said.body
      assert.deepEqual([said.status, got], [wasmErrors[code].status, code], JSON.stringify(said.body).slice(0, 300))
      assert.ok(String(message).startsWith(wasmErrors[code].message))
      assert.match(String(id), /^[0-9a-f-]{36}$/)
      assert.ok(Number.isFinite(Date.parse(String(timestamp))))
      if (said.status === 429 || said.status === 503) assert.ok(Number(said.headers.get('retry-after')) >= 1)
      if (runs === 'runs') {
        assert.equal(wasm.log.size, before.log.size + 1, 'a run has its receipt')
        assert.ok(String(said.body['receipt']).split('.').length === 3)
      } else {
        const { artifacts, ...same } = state()
        assert.deepEqual({ ...same, artifacts: 0 }, { ...before, artifacts: 0 })
        // it reaches the disk after the answer, that of an earlier request perhaps only now
        assert.ok(artifacts <= programs, 'at most the machine code of each program is kept')
      }
      assert.ok(!JSON.stringify(said.body).includes(marker))
    })
  }

  test('a body that comes byte by byte is given up in time, and nothing has changed', async () => {
    const before = state()
    const { port } = new URL(url)
    const socket = connect(Number(port), '127.0.0.1')
    let text = ''
    socket.on('data', (part) => (text += part.toString()))
    socket.write(
      `POST /v1/execute HTTP/1.1\r\nhost: x\r\nx-api-key: ${keys['second']}\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{`,
    )
    const drip = setInterval(() => socket.write('"'), 100)
    const begun = performance.now()
    await new Promise((resolve) => socket.once('close', resolve))
    clearInterval(drip)
    assert.ok(performance.now() - begun < 60_000)
    assert.match(text, /^HTTP\/1\.1 400 [\s\S]*"error_code":"INVALID_REQUEST"[\s\S]*too long/)
    assert.deepEqual({ ...state(), artifacts: 0 }, { ...before, artifacts: 0 })
  })

  test('what is no HTTP gets the same words', async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    let text = ''
    socket.on('data', (part) => (text += part.toString()))
    socket.write('\u0016\u0003\u0001 hello\r\n\r\n')
    await new Promise((resolve) => socket.once('close', resolve))
    assert.match(text, /"error_code":"INVALID_REQUEST"/)
  })

  test('Idempotency-Key: the same request again is answered again and not run, another one under it is refused', async () => {
    const body = await seal(noop)
    const key = { 'idempotency-key': 'once-and-again' }
    const [one, two_] = await Promise.all([
      say('POST', '/v1/execute', body, keys['second'], key),
      say('POST', '/v1/execute', body, keys['second'], key),
    ])
    assert.equal(one.status, 200)
    const size = wasm.log.size
    assert.deepEqual(two_.body, one.body)
    assert.deepEqual((await say('POST', '/v1/execute', body, keys['second'], key)).body, one.body)
    assert.equal(wasm.log.size, size)
    const other = await say('POST', '/v1/execute', await seal(noop), keys['second'], key)
    assert.deepEqual([other.status, other.body['error_code']], [400, 'INVALID_REQUEST'])
  })

  test('no key, no program and no argument is in the log or, in clear, on the disk', () => {
    assert.ok(logged.length > rows.length)
    const secrets = [marker, ...Object.values(keys).map((key) => key.split('_')[2] ?? '')]
    for (const line of logged) for (const secret of secrets) assert.ok(!line.includes(secret), line.slice(0, 200))
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    for (const entry of files) {
      // machine code holds the data of a program: it is the cache of whoever sent it
      const text = readFileSync(join(entry.parentPath, entry.name))
      for (const secret of secrets.slice(entry.parentPath.includes('artifacts') ? 1 : 0))
        assert.ok(!text.includes(secret), entry.name)
    }
  })
})
