import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { sealRequest, type HostKey, type RunRequest, type SealedRequest } from '@freehold/wasm-client/seal'
import { fromText } from 'wasmtime-node/wat'
import { MovableClock } from '../clock/clock.ts'
import { openWasm, type OpenWasm } from './open-wasm.ts'
import { wasmConfigSchema } from './wasm-config.ts'

// what a key is counted by, and what is left of a request that was refused before it ran
const MiB = 2 ** 20
const clock = new MovableClock()
const folder = mkdtempSync(join(tmpdir(), 'freehold-wasm-admission-'))
const wallet = `0x${'cd'.repeat(20)}`
const gasBurst = 20_000
let wasm: OpenWasm
let port: number

before(async () => {
  wasm = await openWasm({
    config: wasmConfigSchema.parse({
      server: { port: 0, workers: 1 },
      wasm: { max_execution_time_seconds: 5, max_concurrent_executions: 1, max_module_mb: 8, default_gas_limit: '10000000' },
      rate: {
        requests_per_second: 1,
        requests_burst: 10,
        megabytes_per_second: 1,
        megabytes_burst: 1,
        gas_per_second: 1000,
        gas_burst: gasBurst,
      },
    }),
    folder,
    clock,
    gasPerDay: () => 10n ** 16n,
  })
  await wasm.app.listen({ host: '127.0.0.1', port: 0 })
  port = (wasm.app.server.address() as AddressInfo).port
})
after(async () => {
  await wasm.close()
  rmSync(folder, { recursive: true })
})

const newKey = () => wasm.apiKeys.create({ label: 'k', scopes: ['execute'], wallet, expiresAt: null }).text

interface Said {
  status: number
  code: unknown
  headers: IncomingHttpHeaders
  body: Record<string, unknown>
}

/** Over node:http, which sends a body in chunks where no length is named. */
function post(path: string, body: string, key: string, headers: Record<string, string | number> = {}): Promise<Said> {
  const { promise, resolve, reject } = Promise.withResolvers<Said>()
  const request = httpRequest(
    { port, path, method: 'POST', agent: false, headers: { 'x-api-key': key, ...headers } },
    (answer) => {
      let text = ''
      answer.on('data', (part: Buffer) => (text += part.toString()))
      answer.on('end', () => {
        const said = JSON.parse(text) as Record<string, unknown>
        resolve({ status: answer.statusCode ?? 0, code: said['error_code'], headers: answer.headers, body: said })
      })
    },
  )
  request.on('error', reject)
  request.end(body)
  return promise
}

const json = { 'content-type': 'application/json' }
const named = (body: string) => ({ ...json, 'content-length': Buffer.byteLength(body) })
const chunked = { ...json, 'transfer-encoding': 'chunked' }

async function seal(text: string, more: Partial<RunRequest> = {}): Promise<SealedRequest> {
  const { keys } = (await (await fetch(`http://127.0.0.1:${port}/v1/keys`)).json()) as { keys: HostKey[] }
  assert.ok(keys[0] !== undefined)
  const request = { function_name: 'main', arguments: [], timeout_seconds: 5, ...more }
  return (await sealRequest(keys[0], await fromText(text), request, new Date(clock.now() * 1000))).body
}

const loop = '(module (func (export "main") (loop br 0)))'

suite('rates of a key, over HTTP', () => {
  for (const [what, headers] of [
    ['a body that names its length', named],
    ['a body in chunks', () => chunked],
  ] as const) {
    test(`${what} empties the bucket of bytes, and only that of its key`, async () => {
      const [key, other] = [newKey(), newKey()]
      const large = JSON.stringify({ padding: 'x'.repeat(10 * MiB) })
      const first = await post('/v1/execute', large, key, headers(large))
      assert.deepEqual([first.status, first.code], [400, 'INVALID_REQUEST'], 'it was read')
      const next = await post('/v1/execute', '{}', key, headers('{}'))
      assert.deepEqual([next.status, next.code], [429, 'RATE_LIMITED'])
      assert.ok(Number(next.headers['retry-after']) >= 1)
      assert.equal((await post('/v1/execute', '{}', other, headers('{}'))).status, 400)
    })
  }

  test('a body in chunks that is refused as too large is counted as far as it came', async () => {
    const key = newKey()
    const large = JSON.stringify({ padding: 'x'.repeat(16 * MiB) })
    const first = await post('/v1/execute', large, key, chunked).catch(() => undefined)
    assert.ok(first === undefined || first.status === 413)
    assert.equal((await post('/v1/execute', '{}', key, named('{}'))).status, 429)
  })

  test('gas that a run has spent keeps the next request waiting', async () => {
    const key = newKey()
    const text = JSON.stringify(await seal(loop, { gas_limit: String(gasBurst + 10_000) }))
    const ran = await post('/v1/execute', text, key, named(text))
    assert.equal(ran.code, 'GAS_EXHAUSTED')
    const next = await post('/v1/keys', '', key)
    assert.deepEqual([next.status, next.code], [429, 'RATE_LIMITED'])
    assert.ok(Number(next.headers['retry-after']) >= 5)
  })

  test('each metered answer says what is left, and a refused one when to come again', async () => {
    const key = newKey()
    const first = await post('/v1/keys', '', key)
    assert.deepEqual([first.status, first.headers['ratelimit']], [201, '"requests";r=9;t=0'])
    let last = first
    for (let n = 0; n < 100 && last.status === 201; n += 1) last = await post('/v1/keys', '', key)
    assert.deepEqual(
      [last.status, last.headers['ratelimit'], last.headers['ratelimit-policy'], last.headers['retry-after']],
      [429, '"requests";r=0;t=1', '"requests";q=10;w=10', '1'],
    )
  })
})
