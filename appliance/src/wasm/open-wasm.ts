import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { JWK } from 'jose'
import { ArtifactCache } from 'wasmtime-node/artifact-cache'
import { Engine, type EngineOptions } from 'wasmtime-node/engine'
import type { Clock } from '../clock/clock.ts'
import { readOrCreateSecretFile } from '../config/secret-file.ts'
import { ExecutorPool } from './executor/executor-pool.ts'
import { Credit } from './credit.ts'
import { FairQueue } from './fair-queue.ts'
import { ApiKeyring } from './keys/api-keyring.ts'
import { AttestedKeys, type Attestor } from './keys/attestor.ts'
import { KeyRing, signKeyDocument } from './keys/key-ring.ts'
import { PlanTable } from './plan-table.ts'
import { Programs } from './programs.ts'
import { publicJwk } from './protocol/receipt.ts'
import { RateLimits } from './rate-limits.ts'
import { ReceiptLog } from './receipt-log.ts'
import { Opener } from './opener.ts'
import { ReplayGuard } from './replay-guard.ts'
import type { WasmConfig } from './wasm-config.ts'
import type { WasmErrorCode } from './wasm-error.ts'
import { createWasmMetrics } from './wasm-metrics.ts'
import { createWasmServer } from './wasm-server.ts'
import { WasmService } from './wasm-service.ts'
import { WasmStore } from './wasm-store.ts'

const MiB = 2 ** 20
const sliceGas = 100_000
const maxAgeSeconds = 600

/** The running service behind one server, not yet listening. */
export interface OpenWasm {
  app: FastifyInstance
  apiKeys: ApiKeyring
  pool: ExecutorPool
  store: WasmStore
  log: ReceiptLog
  /** What wallets have bought, as the daemon tells it. */
  plans: PlanTable
  /** Of the key that receipts are signed with; anybody may have it. */
  hostKey: JWK
  /** What an operator wants to see. Nothing of any caller. */
  overview(): WasmOverview
  /** Ends executors and closes the store, in this order. */
  close(): Promise<void>
}

/** Counts are of today (UTC) and kept; refusals and restarts are since the start. */
export interface WasmOverview {
  health: Record<string, unknown>
  day: number
  outcomes: { code: string; runs: number; gas: bigint }[]
  refused: { code: WasmErrorCode; count: number }[]
  executors: { pids: number; wanted: number; restarts: number }
  log: { size: number; kept: number }
}

export interface OpenWasmOptions {
  config: WasmConfig
  /** The service's own folder: database, cache, secrets. */
  folder: string
  clock: Clock
  /** Gas a day that every wallet has, in the place of what the daemon tells; for tests. */
  gasPerDay?(wallet: string): bigint
  /** Trusted hardware that proves what holds the keys. Default: none. */
  attestor?: Attestor
  /** Milliseconds in which a request has to arrive whole. Default: 30 s. */
  arriveMs?: number
  logLine?(line: Record<string, unknown>): void
}

/** Wires the hosting service: store, log, keys, engine, executors, HTTP. */
export async function openWasm(options: OpenWasmOptions): Promise<OpenWasm> {
  const { config, folder, clock } = options
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const secret = async (name: string) =>
    await readOrCreateSecretFile(join(folder, 'secrets', name), async () => Promise.resolve(randomBytes(32)))
  const signing = await signingKey(join(folder, 'secrets', 'wasm-signing.pem'))
  const store = new WasmStore(join(folder, 'wasm.db'))
  const signingId = `wasm-${(await publicJwk(signing.publicKey)).x?.slice(0, 12) ?? ''}`
  const log = new ReceiptLog(store, signing.privateKey, signingId)
  const { workers } = config.server
  const engine: EngineOptions = {
    slots: Math.ceil((config.wasm.max_concurrent_executions * 2) / workers) + 4,
    threads: 1,
    maxMemoryBytes: config.wasm.max_memory_mb * MiB,
    memoryBudgetBytes: Math.floor((config.wasm.memory_budget_mb * MiB) / workers),
    sliceGas,
  }
  const metrics = createWasmMetrics()
  const pool = new ExecutorPool({ workers, engine, onRestart: () => metrics.restarts.inc() })
  const programs = new Programs({
    cache: new ArtifactCache({ folder: join(folder, 'artifacts'), key: await secret('artifact-key'), maxBytes: 512 * MiB }),
    engine,
    compatibility: new Engine({ ...engine, slots: 0, threads: 0 }).compatibility,
    maxModuleBytes: config.wasm.max_module_mb * MiB,
    compileMs: config.wasm.max_execution_time_seconds * 1000,
    compilers: 2,
    clock,
  })
  const keys = new KeyRing({ clock, rotationSeconds: config.crypto.key_rotation_hours * 3600, overlapSeconds: maxAgeSeconds })
  const attested = new AttestedKeys({
    clock,
    attestor: options.attestor,
    onAttested: (ok) => metrics.crypto.inc({ op: 'attest', outcome: ok ? 'ok' : 'failed' }),
  })
  const queue = new FairQueue(
    {
      concurrent: config.wasm.max_concurrent_executions,
      memoryBytes: config.wasm.memory_budget_mb * MiB,
      waiting: 10_000,
      waitingPerKey: 1000,
    },
    clock,
  )
  const apiKeys = new ApiKeyring(store, await secret('api-key-pepper'), clock)
  const plans = new PlanTable(clock)
  const { gasPerDay } = options
  const credit = new Credit({
    clock,
    sources: (wallet) => (gasPerDay === undefined ? plans.sources(wallet) : [{ id: wallet, gasPerDay: gasPerDay(wallet) }]),
    used: (payer, day) => store.usage(payer, day).gas,
    freeGasPerDay: BigInt(config.payment.free_gas_per_day),
  })
  const { rate } = config
  const rates = new RateLimits(
    {
      requests: { perSecond: rate.requests_per_second, burst: rate.requests_burst },
      bytes: { perSecond: rate.megabytes_per_second * MiB, burst: rate.megabytes_burst * MiB },
      gas: { perSecond: rate.gas_per_second, burst: rate.gas_burst },
    },
    clock,
  )
  const refused = new Map<WasmErrorCode, number>()
  const replay = new ReplayGuard()
  const opener = new Opener({ threads: availableParallelism() < 4 ? 1 : 2, scheme: config.crypto.commitment_scheme })
  const service = new WasmService({
    clock,
    keys,
    opener,
    replay,
    programs,
    queue,
    pool,
    log,
    credit,
    limits: {
      maxSeconds: config.wasm.max_execution_time_seconds,
      maxMemoryBytes: config.wasm.max_memory_mb * MiB,
      defaultGas: BigInt(config.wasm.default_gas_limit),
      sliceGas: BigInt(sliceGas),
      retentionSeconds: config.crypto.commitment_retention_days * 86_400,
      scheme: config.crypto.commitment_scheme,
      maxAgeSeconds,
    },
    onCrypto: (op, ok) => metrics.crypto.inc({ op, outcome: ok ? 'ok' : 'failed' }),
    onEnd: (end) => {
      metrics.gas.observe(Number(end.gas))
      metrics.memoryPeak.observe(end.memoryBytes)
      metrics.executions.inc({ status: end.code === 'OK' ? 'ok' : 'error', error_code: end.code, engine: 'wasmtime-48' })
      metrics.duration.observe(end.runMs / 1000)
      metrics.queueWait.observe(end.queueMs / 1000)
      if (end.compileMs > 0) metrics.compile.observe(end.compileMs / 1000)
    },
  })
  const started = clock.monotonicMs()
  const hostKey = await publicJwk(signing.publicKey)
  const health = () => {
    const { running, waiting, memoryBytes } = queue.state
    const full = running >= config.wasm.max_concurrent_executions
    return {
      status: full && waiting > 0 ? 'overloaded' : pool.ready < workers ? 'degraded' : 'ok',
      capacity: { max: config.wasm.max_concurrent_executions, in_flight: running, queued: waiting },
      memory_budget: { bytes: config.wasm.memory_budget_mb * MiB, admitted_bytes: memoryBytes },
      engine: { name: 'wasmtime', version: '48' },
      key_expires_in_seconds: keys.secondsLeft(),
      uptime_seconds: Math.floor((clock.monotonicMs() - started) / 1000),
    }
  }
  const app = createWasmServer({
    clock,
    service,
    apiKeys,
    log,
    store,
    rates,
    keyDocument: async () => {
      const offered = await Promise.all(keys.offered().map((key) => attested.offered(key)))
      return { keys: offered, jws: signKeyDocument(offered, signing.privateKey, signingId), host_key: hostKey }
    },
    oneTimeKey: async () => {
      const key = keys.oneTime()
      return key === undefined ? undefined : await attested.oneTime(key)
    },
    health,
    metrics: async () => {
      metrics.inFlight.set(queue.state.running)
      metrics.capacity.set(config.wasm.max_concurrent_executions)
      metrics.queueDepth.set(queue.state.waiting)
      metrics.stored.set(store.kept())
      // the library's counters only grow by differences
      for (const [counter, now] of [
        [metrics.cacheHits, programs.hits],
        [metrics.cacheMisses, programs.misses],
      ] as const) {
        const { values } = await counter.get()
        counter.inc(now - (values[0]?.value ?? 0))
      }
      return { type: metrics.registry.contentType, text: await metrics.registry.metrics() }
    },
    onAnswer: ({ route, method, status, seconds }) => metrics.http.observe({ route, method, status }, seconds),
    onRefused: (code) => {
      refused.set(code, (refused.get(code) ?? 0) + 1)
      metrics.refused.inc({ error_code: code })
      if (code === 'RATE_LIMITED') metrics.rateLimited.inc()
    },
    bodyLimit: Math.ceil(config.wasm.max_module_mb * MiB * 1.4) + 65_536,
    ...(options.arriveMs !== undefined && { arriveMs: options.arriveMs }),
    logLine: options.logLine ?? (() => {}),
  })
  // what time has taken goes: private keys, their replays, the texts of old receipts
  const tidy = (): void => {
    replay.keep(keys.ids())
    store.forgetExpired(clock.now())
  }
  tidy()
  const tidying = setInterval(tidy, 60_000).unref()
  return {
    app,
    apiKeys,
    pool,
    store,
    log,
    plans,
    hostKey,
    overview: () => {
      const day = Math.floor(clock.now() / 86_400)
      return {
        health: health(),
        day,
        outcomes: store.outcomes(day),
        refused: [...refused].map(([code, count]) => ({ code, count })),
        executors: { pids: pool.pids.length, wanted: workers, restarts: pool.restarts },
        log: { size: log.size, kept: store.kept() },
      }
    },
    close: async () => {
      clearInterval(tidying)
      // no new calls; those that run get their answer, and nobody gets more time than a call may take
      const late = setTimeout(() => app.server.closeAllConnections(), (config.wasm.max_execution_time_seconds + 2) * 1000)
      await app.close()
      clearTimeout(late)
      await programs.close()
      await pool.close()
      await opener.close()
      store.close()
    },
  }
}

async function signingKey(path: string): Promise<{ privateKey: KeyObject; publicKey: KeyObject }> {
  const pem = await readOrCreateSecretFile(path, async () =>
    Promise.resolve(generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' })),
  )
  const privateKey = createPrivateKey(pem)
  return { privateKey, publicKey: createPublicKey(pem) }
}
