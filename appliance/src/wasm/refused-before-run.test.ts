import assert from 'node:assert/strict'
import { after, suite, test } from 'node:test'
import { sealRequest, type SealedRequest } from '@freehold/wasm-client/seal'
import { systemClock } from '../clock/clock.ts'
import type { CallEnd } from './executor/executor.ts'
import type { Outcome } from './executor/messages.ts'
import { FairQueue, type Budget } from './fair-queue.ts'
import { KeyRing } from './keys/key-ring.ts'
import { Opener } from './opener.ts'
import { RateLimits } from './rate-limits.ts'
import { ReplayGuard } from './replay-guard.ts'
import { WasmRefusal } from './wasm-error.ts'
import { createWasmServer, type WasmServerPorts } from './wasm-server.ts'
import { WasmService, type WasmServicePorts } from './wasm-service.ts'

const outcome = (status: Outcome['status']): CallEnd => ({
  kind: 'outcome',
  outcome: {
    status,
    gasUsed: 0n,
    gasExact: true,
    memoryBytes: 0,
    growRefused: false,
    budgetRefused: false,
    runMilliseconds: 1,
    results: status === 'returned' ? [] : null,
    region: null,
    detail: null,
  },
})
const opener = new Opener({ threads: 1, scheme: 'hiding' })
after(() => opener.close())
const much = { perSecond: 1e9, burst: 1e9 }

/** The service and its HTTP over a real queue, real keys and a real guard; what runs is told beforehand. */
async function standOf(budget: Partial<Budget>) {
  const clock = systemClock
  const keys = new KeyRing({ clock, rotationSeconds: 3600, overlapSeconds: 600 })
  const queue = new FairQueue({ concurrent: 1, memoryBytes: 2 ** 30, waiting: 10, waitingPerKey: 10, ...budget }, clock)
  const told = { runs: 0, end: outcome('returned'), compile: undefined as WasmRefusal | undefined }
  const program = { name: 'p', artifact: new Uint8Array(), minimumMemory: 0, compileMs: 0 }
  const ports: Partial<WasmServicePorts> = {
    clock,
    keys,
    queue,
    replay: new ReplayGuard(),
    opener,
    programs: {
      get: () => (told.compile === undefined ? Promise.resolve(program) : Promise.reject(told.compile)),
    } as unknown as WasmServicePorts['programs'],
    pool: { run: () => Promise.resolve(((told.runs += 1), told.end)) } as unknown as WasmServicePorts['pool'],
    log: { append: () => Promise.resolve('r.r.r') } as unknown as WasmServicePorts['log'],
    credit: { reserve: () => ({ gasLimit: 1000n, payer: 'p', release: () => {} }) },
    limits: {
      maxSeconds: 10,
      maxMemoryBytes: 2 ** 26,
      defaultGas: 1000n,
      sliceGas: 1n,
      retentionSeconds: 60,
      scheme: 'hiding',
      maxAgeSeconds: 600,
    },
  }
  const server: Partial<WasmServerPorts> = {
    clock,
    service: new WasmService(ports as WasmServicePorts),
    apiKeys: { authorize: () => ({ id: 'k', wallet: null }) } as unknown as WasmServerPorts['apiKeys'],
    rates: new RateLimits({ requests: much, bytes: much, gas: much }, clock),
    bodyLimit: 2 ** 20,
    logLine: () => {},
  }
  const app = createWasmServer(server as WasmServerPorts)
  const [key] = keys.offered()
  assert.ok(key !== undefined)
  const request = { function_name: 'main', arguments: [], timeout_seconds: 1 }
  const { body } = await sealRequest(key, new Uint8Array([1]), request)
  const say = async (sealed: SealedRequest = body, headers = {}) => {
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/execute',
      headers: { 'x-api-key': 'k', ...headers },
      payload: sealed,
    })
    const said = answer.json<Record<string, unknown>>()
    return { status: answer.statusCode, code: said['error_code'], retryAfter: answer.headers['retry-after'], said }
  }
  /** Takes the only place. */
  const hold = async (): Promise<() => void> => {
    const place = await queue.enter('another', 0)
    assert.ok(place !== undefined && 'release' in place)
    return place.release
  }
  return { told, say, hold, again: () => say(body, { 'idempotency-key': 'the-same-request' }) }
}

suite('a request that was refused before it ran comes again as it is, under its Idempotency-Key', () => {
  for (const [what, budget, status, code] of [
    ['no room for anybody', { waiting: 0 }, 503, 'CAPACITY_EXCEEDED'],
    ['too much of this key waits', { waitingPerKey: 0 }, 429, 'RATE_LIMITED'],
  ] as const) {
    test(`${what}: ${status} with Retry-After, then it runs, once`, async () => {
      const { told, hold, again, say } = await standOf(budget)
      const release = await hold()
      const refused = await again()
      assert.deepEqual([refused.status, refused.code, refused.retryAfter], [status, code, '1'])
      release()
      const ran = await again()
      assert.equal(ran.status, 200, JSON.stringify(ran.said))
      assert.deepEqual((await again()).said, ran.said, 'its answer is kept')
      assert.deepEqual([(await say()).code, told.runs], ['REPLAY_DETECTED', 1], 'what has run is not run again')
    })
  }

  for (const status of ['no-slot', 'no-memory'] as const) {
    test(`${status} in the executor: the 503 is not kept`, async () => {
      const { told, again } = await standOf({})
      told.end = outcome(status)
      const refused = await again()
      assert.deepEqual([refused.status, refused.retryAfter], [503, '1'])
      told.end = outcome('returned')
      assert.equal((await again()).status, 200)
    })
  }

  test('refused by the compiler: the same request again is looked at again', async () => {
    const { told, again } = await standOf({})
    told.compile = new WasmRefusal('CAPACITY_EXCEEDED', { retryAfterSeconds: 1 })
    assert.equal((await again()).status, 503)
    told.compile = undefined
    assert.equal((await again()).status, 200)
  })

  test('a run that ended badly is kept, and refused as a replay without its Idempotency-Key', async () => {
    const { told, again, say } = await standOf({})
    told.end = outcome('trapped')
    const first = await again()
    assert.deepEqual([first.status, first.code], [422, 'WASM_TRAP'])
    assert.deepEqual((await again()).said, first.said)
    assert.deepEqual([(await say()).code, told.runs], ['REPLAY_DETECTED', 1])
  })

  test('the same request twice at once, the first still waiting: the second is a replay, and takes nothing from the first', async () => {
    const { told, hold, say } = await standOf({})
    const release = await hold()
    const first = say()
    const second = await say()
    assert.equal(second.code, 'REPLAY_DETECTED')
    release()
    assert.equal((await first).status, 200)
    assert.deepEqual([(await say()).code, told.runs], ['REPLAY_DETECTED', 1])
  })
})
