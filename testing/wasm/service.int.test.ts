import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { MovableClock } from '@freehold/appliance/clock/clock'
import { openWasm, type OpenWasm } from '@freehold/appliance/wasm/open-wasm'
import { wasmConfigSchema } from '@freehold/appliance/wasm/wasm-config'
import { opensCommitment, standsInLog, verifyReceipt, type InclusionProof } from '@freehold/wasm-client/receipt'
import { canonical, sealRequest, type HostKey, type RunRequest, type Sealed, type SealedAnswer } from '@freehold/wasm-client/seal'
import { fromText } from 'wasmtime-node/wat'

const clock = new MovableClock()
const folder = mkdtempSync(join(tmpdir(), 'freehold-wasm-'))
const config = wasmConfigSchema.parse({
  server: { port: 0, workers: 2 },
  wasm: { max_execution_time_seconds: 1, default_gas_limit: '1000000000' },
  payment: { free_gas_per_day: '100000000000000' },
})
let service: OpenWasm
let url: string
let apiKey: string
const logged: string[] = []

async function open(): Promise<void> {
  service = await openWasm({ config, folder, clock, logLine: (line) => logged.push(JSON.stringify(line)) })
  await service.app.listen({ host: '127.0.0.1', port: 0 })
  url = `http://127.0.0.1:${(service.app.server.address() as AddressInfo).port}`
}

before(async () => {
  await open()
  apiKey = service.apiKeys.create({
    label: 'test',
    scopes: ['execute', 'verify', 'metrics', 'admin'],
    wallet: null,
    expiresAt: null,
  }).text
})
after(async () => {
  await service.close()
  rmSync(folder, { recursive: true })
})

interface Said {
  status: number
  body: Record<string, unknown> & { error_code?: string; receipt?: string }
}

async function say(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Said> {
  const text = typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body)
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { 'x-api-key': apiKey, ...(text !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(text !== undefined && { body: text }),
  })
  const said = await answer.text()
  return { status: answer.status, body: said === '' ? {} : (JSON.parse(said) as Said['body']) }
}

async function hostKey(): Promise<{ key: HostKey; host: Parameters<typeof verifyReceipt>[1] }> {
  const { body } = await say('GET', '/v1/keys')
  const [key] = body['keys'] as HostKey[]
  assert.ok(key !== undefined)
  return { key, host: body['host_key'] as Parameters<typeof verifyReceipt>[1] }
}

async function seal(text: string, more: Partial<RunRequest> = {}): Promise<{ sealed: Sealed; wasm: Uint8Array }> {
  const wasm = await fromText(text)
  const request = { function_name: 'main', arguments: [], timeout_seconds: 10, ...more }
  return { sealed: await sealRequest((await hostKey()).key, wasm, request, new Date(clock.now() * 1000)), wasm }
}

const execute = (body: unknown, headers?: Record<string, string>) => say('POST', '/v1/execute', body, headers)
const adding = '(module (func (export "main") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'
const spin = '(module (func (export "main") (loop br 0)))'

/** Refused without a run: the log did not grow. */
async function refused(said: Said, status: number, code: string, before: number): Promise<void> {
  assert.deepEqual([said.status, said.body.error_code], [status, code], JSON.stringify(said.body))
  for (const name of ['message', 'timestamp', 'request_id']) assert.equal(typeof said.body[name], 'string')
  assert.equal(service.log.size, before, 'nothing ran')
}

suite('refusals before anything runs', () => {
  for (const [what, header, code, status] of [
    ['no key', '', 'UNAUTHORIZED', 401],
    ['a mistyped key', 'whv_000000000000_x', 'UNAUTHORIZED', 401],
  ] as const) {
    test(`${code}: ${what}`, async () => {
      const { sealed } = await seal(adding)
      await refused(await execute(sealed.body, { 'x-api-key': header }), status, code, service.log.size)
    })
  }

  test('UNAUTHORIZED: a revoked, an expired and a rotated key, each to the second', async () => {
    const keys = ['revoked', 'rotated'].map((label) =>
      service.apiKeys.create({ label, scopes: ['execute'], wallet: null, expiresAt: null }),
    )
    const expiring = service.apiKeys.create({
      label: 'expiring',
      scopes: ['execute'],
      wallet: null,
      expiresAt: clock.now() + 100,
    })
    const [revoked, rotated] = keys
    assert.ok(revoked !== undefined && rotated !== undefined)
    const post = async (text: string) => (await say('POST', '/v1/keys', undefined, { 'x-api-key': text })).status
    // one that is in use, and so at hand in the service's memory
    for (let n = 0; n < 3; n += 1) assert.deepEqual([await post(revoked.text), await post(rotated.text)], [201, 201])
    await say('DELETE', `/v1/api-keys/${revoked.id}`)
    const next = await say('POST', `/v1/api-keys/${rotated.id}/rotation`)
    assert.equal(next.status, 201)
    assert.deepEqual([await post(revoked.text), await post(rotated.text), await post(String(next.body['text']))], [401, 201, 201])
    assert.equal(await post(expiring.text), 201)
    clock.advance(24 * 3600)
    assert.deepEqual(
      [await post(rotated.text), await post(expiring.text), await post(String(next.body['text']))],
      [401, 401, 201],
    )
  })

  test('SCOPE_MISSING: a key that may only verify', async () => {
    const key = service.apiKeys.create({ label: 'v', scopes: ['verify'], wallet: null, expiresAt: null }).text
    const { sealed } = await seal(adding)
    await refused(await execute(sealed.body, { 'x-api-key': key }), 403, 'SCOPE_MISSING', service.log.size)
  })

  test('INVALID_REQUEST: unknown field, wrong type, member twice, no JSON, zero gas, old request', async () => {
    const { sealed } = await seal(adding)
    const before = service.log.size
    const text = JSON.stringify(sealed.body)
    const bodies: unknown[] = [
      { ...sealed.body, extra: 1 },
      { ...sealed.body, timeout_seconds: 'ten' },
      { ...sealed.body, timeout_seconds: 301 },
      { ...sealed.body, arguments: {} },
      { ...sealed.body, gas_limit: '0' },
      { ...sealed.body, gas_limit: '-1' },
      { ...sealed.body, issued_at: '2020-01-01T00:00:00Z' },
      text.replace('"function_name"', '"function_name":"other","function_name"'),
      `${text.slice(0, -1)}`,
      'null',
    ]
    for (const body of bodies) await refused(await execute(body), 400, 'INVALID_REQUEST', before)
    await refused(await say('POST', '/v1/execute', 'x', { 'content-type': 'text/plain' }), 400, 'INVALID_REQUEST', before)
  })

  test('ENCRYPTION_ERROR: one word for all that does not open', async () => {
    const { sealed } = await seal(adding)
    const before = service.log.size
    const { body } = sealed
    const bytes = Buffer.from(body.encrypted_wasm, 'base64')
    bytes.writeUInt8(bytes.readUInt8(5) ^ 1, 5)
    const messages = new Set<unknown>()
    for (const change of [
      { encrypted_wasm: bytes.toString('base64') },
      { encrypted_wasm: '' },
      { encrypted_wasm: `${body.encrypted_wasm.slice(0, -1)}!` },
      { public_key: randomBytes(65).toString('base64') },
      { public_key: Buffer.alloc(65).toString('base64') },
      { public_key: randomBytes(10).toString('base64') },
      { function_name: 'other' },
      { arguments: [{ value: 1 }] },
    ]) {
      const said = await execute({ ...body, ...change })
      await refused(said, 400, 'ENCRYPTION_ERROR', before)
      messages.add(said.body['message'])
    }
    assert.equal(messages.size, 1)
  })

  test('UNKNOWN_KEY and KEY_EXPIRED; in the overlap the former key opens, also without a key id', async () => {
    const call = { arguments: [{ value: 1 }, { value: 2 }] }
    await refused(
      await execute({ ...(await seal(adding, call)).sealed.body, key_id: '00' }),
      400,
      'UNKNOWN_KEY',
      service.log.size,
    )
    clock.advance(Number((await say('GET', '/health')).body['key_expires_in_seconds']) - 30)
    const [named, unnamed, late] = [await seal(adding, call), await seal(adding, call), await seal(adding, call)]
    clock.advance(60)
    assert.notEqual((await hostKey()).key.kid, named.sealed.body.key_id)
    assert.equal((await execute(named.sealed.body)).status, 200)
    const { key_id: _, ...without } = unnamed.sealed.body
    assert.equal((await execute(without)).status, 200)
    clock.advance(600)
    await refused(await execute(late.sealed.body), 400, 'KEY_EXPIRED', service.log.size)
  })

  test('REPLAY_DETECTED: the same sealed request twice, also at once', async () => {
    const { sealed } = await seal(adding, { arguments: [{ value: 1 }, { value: 2 }] })
    const both = await Promise.all([execute(sealed.body), execute(sealed.body)])
    assert.deepEqual(
      both.map((said) => said.status).toSorted((a, b) => a - b),
      [200, 409],
    )
    await refused(await execute(sealed.body), 409, 'REPLAY_DETECTED', service.log.size)
  })

  test('PAYLOAD_TOO_LARGE: a body beyond the limit', async () => {
    const { sealed } = await seal(adding)
    const large = { ...sealed.body, encrypted_wasm: 'A'.repeat(24 * 2 ** 20) }
    await refused(await execute(large), 413, 'PAYLOAD_TOO_LARGE', service.log.size)
  })

  test('INVALID_WASM, IMPORTS_NOT_ALLOWED, FUNCTION_NOT_FOUND, INVALID_ARGUMENTS', async () => {
    const before = service.log.size
    const { key } = await hostKey()
    const request = { function_name: 'main', arguments: [], timeout_seconds: 1 }
    const garbage = await sealRequest(key, randomBytes(100), request, new Date(clock.now() * 1000))
    await refused(await execute(garbage.body), 422, 'INVALID_WASM', before)
    const importing = await seal('(module (import "env" "f" (func)))')
    await refused(await execute(importing.sealed.body), 422, 'IMPORTS_NOT_ALLOWED', before)
    await refused(await execute((await seal(adding, { function_name: 'none' })).sealed.body), 422, 'FUNCTION_NOT_FOUND', before)
    await refused(await execute((await seal(adding)).sealed.body), 422, 'INVALID_ARGUMENTS', before)
    await refused(
      await execute((await seal(adding, { arguments: [{ value: 'x' }, { value: 1 }] })).sealed.body),
      422,
      'INVALID_ARGUMENTS',
      before,
    )
  })

  test('NOT_FOUND in the same shape, and as a problem document for who asks', async () => {
    await refused(await say('GET', '/nothing'), 404, 'NOT_FOUND', service.log.size)
    const answer = await fetch(`${url}/nothing`, { headers: { accept: 'application/problem+json' } })
    assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/)
    const body = (await answer.json()) as Record<string, unknown>
    assert.deepEqual([body['code'], body['status'], body['error_code']], ['not-found', 404, 'NOT_FOUND'])
  })
})

suite('ends of guests, each with gas and receipt', () => {
  for (const [code, status, text, more] of [
    ['EXECUTION_TIMEOUT', 408, spin, { gas_limit: '100000000000000' }],
    ['GAS_EXHAUSTED', 422, spin, { gas_limit: '12345' }],
    ['WASM_TRAP', 422, '(module (func (export "main") unreachable))', {}],
    ['MEMORY_EXCEEDED', 422, '(module (memory 1) (func (export "main") (drop (memory.grow (i32.const 60000))) unreachable))', {}],
  ] as const) {
    test(code, async () => {
      const { sealed } = await seal(text, more)
      const said = await execute(sealed.body)
      assert.deepEqual([said.status, said.body.error_code], [status, code])
      const { host } = await hostKey()
      const receipt = await verifyReceipt(said.body.receipt ?? '', host)
      const summary = said.body['execution_summary'] as Record<string, unknown>
      assert.equal(receipt.gas_used, summary['gas_used'])
      assert.equal(receipt.result, null)
      if (code === 'GAS_EXHAUSTED') assert.equal(receipt.gas_used, '12345')
      if (code === 'EXECUTION_TIMEOUT') assert.equal(summary['effective_timeout_seconds'], 1)
    })
  }

  test('ALLOWANCE_SPENT: a key without gas left runs nothing, and runs again the next day', async () => {
    const poor = await openWasm({
      config: { ...config, payment: { free_gas_per_day: '20000' } },
      folder: mkdtempSync(join(folder, 'poor-')),
      clock,
    })
    try {
      const key = poor.apiKeys.create({ label: 'p', scopes: ['execute'], wallet: null, expiresAt: null }).text
      const post = async () => {
        const keys = (await poor.app.inject({ url: '/v1/keys' })).json<{ keys: HostKey[] }>().keys
        const [one] = keys
        assert.ok(one !== undefined)
        const sealed = await sealRequest(
          one,
          await fromText(spin),
          { function_name: 'main', arguments: [], timeout_seconds: 1 },
          new Date(clock.now() * 1000),
        )
        return await poor.app.inject({ method: 'POST', url: '/v1/execute', headers: { 'x-api-key': key }, payload: sealed.body })
      }
      const first = await post()
      assert.equal(first.json<{ error_code: string }>().error_code, 'GAS_EXHAUSTED')
      const spent = await post()
      assert.deepEqual([spent.statusCode, spent.json<{ error_code: string }>().error_code], [402, 'ALLOWANCE_SPENT'])
      assert.equal(poor.log.size, 1)
      clock.advance(86_400)
      assert.equal((await post()).json<{ error_code: string }>().error_code, 'GAS_EXHAUSTED')
    } finally {
      await poor.close()
    }
  })

  test('an executor that is killed in the middle: a clean error, a receipt, nothing billed', async () => {
    const { sealed } = await seal(spin, { gas_limit: '100000000000000' })
    const running = execute(sealed.body)
    const limit = performance.now() + 60_000
    while (service.pool.load === 0) {
      assert.ok(performance.now() < limit)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    for (const pid of service.pool.pids) process.kill(pid, 'SIGKILL')
    const said = await running
    assert.deepEqual([said.status, said.body.error_code], [500, 'INTERNAL'])
    const receipt = await verifyReceipt(said.body.receipt ?? '', (await hostKey()).host)
    assert.deepEqual([receipt.status, receipt.gas_used], ['lost', '0'])
  })
})

suite('a run and its proofs', () => {
  test('opens for the caller alone; receipt, commitments, inclusion and consistency hold, also after a restart', async () => {
    const call = { arguments: [{ value: 40 }, { value: 2 }] }
    const { sealed, wasm } = await seal(adding, call)
    const said = await execute(sealed.body)
    assert.equal(said.status, 200, JSON.stringify(said.body))
    const answer = said.body as unknown as SealedAnswer & { receipt: string }
    const opened = await sealed.open(answer)
    assert.deepEqual(opened.results, [{ type: 'i32', value: 42 }])
    const { host } = await hostKey()
    const receipt = await verifyReceipt(answer.receipt, host)
    assert.ok(await opensCommitment(receipt.program, 'program', wasm, opened.salt))
    assert.ok(await opensCommitment(receipt.arguments, 'arguments', canonical(call.arguments), opened.salt))
    assert.ok(await opensCommitment(answer.result_commitment, 'result', canonical(opened.results), opened.salt))
    const head = (await say('GET', '/v1/log/head')).body as unknown as { size: number; root: string }
    await service.close()
    await open()
    assert.deepEqual((await say('GET', '/v1/log/head')).body, head, 'the log is what it was')
    const { sealed: next } = await seal(adding, call)
    assert.equal((await execute(next.body)).status, 200)
    const path = `/v1/verify/${answer.request_id}?commitment_type=result&hash_value=${answer.result_commitment}`
    const verified = await say('GET', path)
    assert.equal(verified.body['verified'], true)
    assert.equal(verified.body.receipt, answer.receipt)
    const place = { proof: verified.body['inclusion_proof'] as InclusionProof, head: String(verified.body['log_head']) }
    assert.ok(await standsInLog(answer.receipt, place, host))
    assert.ok(!(await standsInLog(answer.receipt, { ...place, head: answer.receipt }, host)), 'no head, no place')
    const consistency = await say('GET', `/v1/log/consistency?from=${head.size}&to=${head.size + 1}`)
    assert.equal(consistency.status, 200)
  })

  test('another hash is not verified, another key is told no more than that; unknown and expired are 404, no hex is 400', async () => {
    const { sealed } = await seal(adding, { arguments: [{ value: 1 }, { value: 1 }] })
    const { body } = await execute(sealed.body)
    const path = (hash: string) => `/v1/verify/${String(body['request_id'])}?commitment_type=result&hash_value=${hash}`
    const wrong = await say('GET', path('0'.repeat(64)))
    assert.deepEqual([wrong.status, wrong.body['verified']], [200, false])
    const other = service.apiKeys.create({ label: 'o', scopes: ['verify'], wallet: null, expiresAt: null }).text
    const told = await say('GET', path(String(body['result_commitment'])), undefined, { 'x-api-key': other })
    assert.deepEqual([told.body['verified'], told.body.receipt, told.body['inclusion_proof']], [true, undefined, undefined])
    assert.equal((await say('GET', path('xyz'))).body.error_code, 'INVALID_REQUEST')
    assert.equal(
      (await say('GET', `/verify/none?commitment_type=result&hash_value=${'0'.repeat(64)}`)).body.error_code,
      'COMMITMENT_NOT_FOUND',
    )
    clock.advance(8 * 86_400)
    assert.equal((await say('GET', path('0'.repeat(64)))).body.error_code, 'COMMITMENT_NOT_FOUND')
  })

  test('a one-time key opens once', async () => {
    const key = (await say('POST', '/v1/keys')).body as unknown as HostKey
    const request = { function_name: 'main', arguments: [{ value: 1 }, { value: 1 }], timeout_seconds: 1 }
    const sealed = await sealRequest(key, await fromText(adding), request, new Date(clock.now() * 1000))
    assert.equal((await execute(sealed.body)).status, 200)
    const again = await sealRequest(key, await fromText(adding), request, new Date(clock.now() * 1000))
    assert.equal((await execute(again.body)).body.error_code, 'KEY_EXPIRED')
  })

  test('bytes of memory come back where asked for', async () => {
    const text =
      '(module (memory (export "memory") 1) (data (i32.const 8) "hello") (func (export "main") (result i32 i32) i32.const 8 i32.const 5))'
    const { sealed } = await seal(text, { result_region: true })
    const said = await execute(sealed.body)
    const opened = await sealed.open(said.body as unknown as SealedAnswer)
    assert.equal(Buffer.from(opened.region ?? '', 'base64').toString(), 'hello')
  })

  test('health and metrics say nothing of any customer; no secret is in a log or in clear on the disk', async () => {
    const health = await say('GET', '/health')
    assert.equal(health.body['status'], 'ok')
    const metrics = await fetch(`${url}/metrics`, { headers: { 'x-api-key': apiKey } })
    const text = await metrics.text()
    assert.match(text, /wasm_hypervisor_executions_total\{status="ok",error_code="OK"/)
    const secret = apiKey.split('_')[2] ?? ''
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    for (const entry of files) assert.ok(!readFileSync(join(entry.parentPath, entry.name)).includes(secret), entry.name)
    for (const said of [JSON.stringify(health.body), text, ...logged]) assert.ok(!said.includes(secret))
    assert.equal((await fetch(`${url}/metrics`)).status, 401)
  })
})
