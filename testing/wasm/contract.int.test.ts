import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { systemClock } from '@freehold/appliance/clock/clock'
import { openWasm, type OpenWasm } from '@freehold/appliance/wasm/open-wasm'
import { wasmConfigSchema } from '@freehold/appliance/wasm/wasm-config'
import { verifyReceipt } from '@freehold/wasm-client/receipt'
import { sealRequest, type HostKey } from '@freehold/wasm-client/seal'
import { fromText } from 'wasmtime-node/wat'
import { z } from 'zod'

const folder = mkdtempSync(join(tmpdir(), 'freehold-wasm-contract-'))
let wasm: OpenWasm
let origin: string
let apiKey: string
before(async () => {
  const config = wasmConfigSchema.parse({
    server: { port: 0, workers: 1 },
    // long enough that no run of this file ends by its deadline
    wasm: { max_concurrent_executions: 1, max_execution_time_seconds: 300, default_gas_limit: '1000000000000000' },
    payment: { free_gas_per_day: '10000000000000000000' },
  })
  wasm = await openWasm({ config, folder, clock: systemClock })
  await wasm.app.listen({ host: '127.0.0.1', port: 0 })
  await wasm.pool.allReady()
  origin = `http://127.0.0.1:${(wasm.app.server.address() as AddressInfo).port}`
  const scopes = ['execute', 'verify', 'metrics', 'admin'] as const
  apiKey = wasm.apiKeys.create({ label: 'contract', scopes, wallet: null, expiresAt: null }).text
})
after(async () => {
  // whoever closes waits for runs: one that the tests did not get to end goes with its executor
  for (const pid of wasm.pool.pids) process.kill(pid, 'SIGKILL')
  await wasm.close()
  rmSync(folder, { recursive: true })
})

const adding = await fromText('(module (func (export "main") (result i32) (i32.const 42)))')
const spin = await fromText('(module (func (export "main") (loop br 0)))')

interface Said {
  status: number
  type: string
  body: Record<string, unknown>
}
/** Milliseconds for whatever a test waits for: what never comes is a failure and no hang. */
const longest = 60_000
/** Every answer has its time, also one of a run that nothing would end. */
async function ask(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Said> {
  const inTime = AbortSignal.timeout(longest)
  const answer = await fetch(origin + path, {
    method,
    headers: { 'x-api-key': apiKey, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: signal === undefined ? inTime : AbortSignal.any([inTime, signal]),
  })
  const type = answer.headers.get('content-type') ?? ''
  const text = await answer.text()
  return { status: answer.status, type, body: type.includes('json') ? (JSON.parse(text) as Said['body']) : { text } }
}
async function sealed(program: Uint8Array) {
  const [key] = (await ask('GET', '/v1/keys')).body['keys'] as HostKey[]
  assert.ok(key !== undefined)
  return await sealRequest(key, program, { function_name: 'main', arguments: [], timeout_seconds: 300 })
}
/** Processor time of the executor so far, in hundredths of a second: a run that was only handed over has no gas to show. */
const ticks = () => {
  const stat = readFileSync(`/proc/${wasm.pool.pids[0]}/stat`, 'utf8')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[11])
}
const health = () => wasm.overview().health as { status: string; capacity: { in_flight: number; queued: number } }
async function until(what: string, condition: () => boolean): Promise<void> {
  const limit = performance.now() + longest
  while (!condition()) {
    assert.ok(performance.now() < limit, what)
    await systemClock.wait(1)
  }
}
/** A run that ends only if somebody ends it. */
async function spinning(): Promise<{ goAway(): void; gone: Promise<unknown> }> {
  const abort = new AbortController()
  const gone = ask('POST', '/v1/execute', (await sealed(spin)).body, abort.signal).catch(() => 'gone')
  return { goAway: () => abort.abort(), gone }
}

suite('the paths of the specification and their aliases', () => {
  test('/execute and /verify do what /v1/execute and /v1/verify do', async () => {
    const request = await sealed(adding)
    const ran = await ask('POST', '/execute', request.body)
    assert.equal(ran.status, 200)
    assert.equal((await ask('POST', '/v1/execute', request.body)).body['error_code'], 'REPLAY_DETECTED', 'it is the same door')
    const query = `${String(ran.body['request_id'])}?commitment_type=result&hash_value=${String(ran.body['result_commitment'])}`
    const [alias, own] = [await ask('GET', `/verify/${query}`), await ask('GET', `/v1/verify/${query}`)]
    assert.equal(alias.body['verified'], true)
    assert.deepEqual(alias, own)
  })
  for (const path of ['/health', '/metrics', '/openapi.json']) {
    test(`${path} and /v1${path}`, async () => {
      const [alias, own] = [await ask('GET', path), await ask('GET', `/v1${path}`)]
      assert.deepEqual([alias.status, alias.type], [200, own.type])
      assert.deepEqual(Object.keys(alias.body), Object.keys(own.body))
    })
  }
  test('/metrics has every number that is promised, and no label names a request, a key or a caller', async () => {
    const ran = await ask('POST', '/v1/execute', (await sealed(adding)).body)
    assert.equal(ran.status, 200)
    const text = await (await fetch(`${origin}/metrics`, { headers: { 'x-api-key': apiKey } })).text()
    const names = new Set([...text.matchAll(/^# TYPE wasm_hypervisor_(\S+)/gm)].map(([, name]) => name))
    const promised = `executions_total execution_duration_seconds compile_duration_seconds queue_wait_seconds gas_used
      guest_memory_peak_bytes executions_in_flight capacity queue_depth module_cache_hits_total module_cache_misses_total
      executor_restarts_total crypto_operations_total rate_limited_total commitments_stored http_request_duration_seconds`
    assert.deepEqual(
      promised.split(/\s+/).filter((name) => !names.has(name)),
      [],
    )
    assert.match(
      text,
      /^wasm_hypervisor_http_request_duration_seconds_count\{route="\/v1\/execute",method="POST",status="200"\} [1-9]/m,
    )
    const known = 'error_code engine status op outcome route method le'.split(' ')
    const own = text.split('\n').filter((line) => !/^wasm_hypervisor_(nodejs|process)_/.test(line))
    const used = new Set(own.flatMap((line) => [...line.matchAll(/[{,]([a-z_]+)="/g)].map(([, label]) => label)))
    assert.deepEqual(
      [...used].filter((label) => label === undefined || !known.includes(label)),
      [],
    )
    for (const secret of [String(ran.body['request_id']), apiKey]) assert.ok(!text.includes(secret))
  })
  test('/metrics without a key tells nothing', async () => {
    for (const path of ['/metrics', '/v1/metrics']) assert.equal((await fetch(origin + path)).status, 401)
  })
})

test('each path answers as /openapi.json says', async () => {
  interface Operation {
    responses: Record<string, { content?: Record<string, { schema: object }> }>
  }
  interface Document {
    paths: Record<string, Record<string, Operation>>
    components: { schemas: Record<string, object> }
  }
  const document = (await ask('GET', '/openapi.json')).body as unknown as Document
  const ran = await ask('POST', '/v1/execute', (await sealed(adding)).body)
  const made = await ask('POST', '/v1/api-keys', { label: 'l', scopes: ['verify'] })
  const query = `?commitment_type=result&hash_value=${String(ran.body['result_commitment'])}`
  const size = wasm.log.size
  /** One call of every documented operation that is to succeed. */
  const called: Record<string, Said> = {
    'post /v1/execute': ran,
    'get /v1/keys': await ask('GET', '/v1/keys'),
    'post /v1/keys': await ask('POST', '/v1/keys'),
    'get /v1/verify/{request_id}': await ask('GET', `/v1/verify/${String(ran.body['request_id'])}${query}`),
    'get /v1/log/head': await ask('GET', '/v1/log/head'),
    'get /v1/log/consistency': await ask('GET', `/v1/log/consistency?from=1&to=${size}`),
    'get /health': await ask('GET', '/health'),
    'get /health/live': await ask('GET', '/health/live'),
    'get /health/ready': await ask('GET', '/health/ready'),
    'get /metrics': await ask('GET', '/metrics'),
    'get /v1/api-keys': await ask('GET', '/v1/api-keys'),
    'post /v1/api-keys': made,
    'post /v1/api-keys/{id}/rotation': await ask('POST', `/v1/api-keys/${String(made.body['id'])}/rotation`),
    'delete /v1/api-keys/{id}': await ask('DELETE', `/v1/api-keys/${String(made.body['id'])}`),
  }
  const documented = Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map((m) => `${m} ${path}`))
  assert.deepEqual(Object.keys(called).toSorted(), documented.toSorted())
  const fits = (schema: object, body: unknown) =>
    z.fromJSONSchema({ ...inPlace(schema, document.components.schemas) } as Parameters<typeof z.fromJSONSchema>[0]).parse(body)
  for (const [operation, { status, body }] of Object.entries(called)) {
    const [method = '', path = ''] = operation.split(' ')
    const response = document.paths[path]?.[method]?.responses[status]
    assert.ok(response !== undefined && status < 300, `${operation} answers ${status}`)
    const schema = response.content?.['application/json']?.schema
    if (schema !== undefined) fits(schema, body)
  }
  // and refusals have the shape that is told
  const { Error: shape = {} } = document.components.schemas
  for (const refused of [await ask('POST', '/v1/execute', {}), await ask('GET', '/none')]) fits(shape, refused.body)
  assert.throws(() => fits(shape, ran.body), 'a shape that all fits would tell nothing')
})

/** The schema with every reference replaced by what it names. */
function inPlace(schema: unknown, named: Record<string, object>): Record<string, unknown> {
  return JSON.parse(
    JSON.stringify(schema, (_, value: unknown) => {
      const ref = typeof value === 'object' && value !== null && '$ref' in value ? String(value.$ref) : undefined
      return ref === undefined ? value : inPlace(named[ref.split('/').at(-1) ?? ''], named)
    }),
  ) as Record<string, unknown>
}

suite('how it goes', () => {
  test('a caller that goes away ends its run, which is in the log with its gas', async () => {
    const [size, before, run] = [wasm.log.size, ticks(), await spinning()]
    await until('it burns gas', () => wasm.pool.load === 1 && ticks() > before + 20)
    run.goAway()
    await run.gone
    await until('its end', () => health().capacity.in_flight === 0 && wasm.log.size === size + 1)
    const owner = wasm.apiKeys.list().find(({ label }) => label === 'contract')?.id ?? ''
    const [kept] = wasm.store.receiptsOf(owner, { limit: 1 })
    const receipt = await verifyReceipt(kept?.jws ?? '', wasm.hostKey)
    assert.equal(receipt.status, 'cancelled')
    assert.ok(BigInt(receipt.gas_used) > 0n)
  })

  test('a caller that goes away while it waits leaves the queue, and nothing of it runs', async () => {
    const [size, before, first] = [wasm.log.size, ticks(), await spinning()]
    await until('it burns gas', () => wasm.pool.load === 1 && ticks() > before + 20)
    const second = await spinning()
    await until('one waits', () => health().capacity.queued === 1)
    // all places are taken and somebody waits
    assert.equal(health().status, 'overloaded')
    assert.equal((await ask('GET', '/health/ready')).status, 503)
    assert.equal((await ask('GET', '/health/live')).status, 200)
    assert.equal((await ask('GET', '/health')).body['status'], 'overloaded')
    second.goAway()
    await until('it left', () => health().capacity.queued === 0)
    first.goAway()
    await until('all ended', () => health().capacity.in_flight === 0 && wasm.log.size > size)
    assert.equal(wasm.log.size, size + 1)
    assert.equal(health().status, 'ok')
  })

  test('an executor that died: degraded until another takes its place, then ok', async () => {
    const [pid] = wasm.pool.pids
    assert.ok(pid !== undefined)
    const was = wasm.pool.restarts
    process.kill(pid, 'SIGKILL')
    await until('its end is known', () => wasm.pool.restarts === was + 1)
    assert.equal(health().status, 'degraded')
    await until('another is ready', () => wasm.pool.ready === 1)
    assert.equal(health().status, 'ok')
    assert.equal((await ask('POST', '/v1/execute', (await sealed(adding)).body)).status, 200)
  })
})
