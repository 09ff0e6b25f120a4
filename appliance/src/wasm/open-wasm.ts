import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { ArtifactCache } from 'wasmtime-node/artifact-cache'
import { Engine, type EngineOptions } from 'wasmtime-node/engine'
import type { Clock } from '../clock/clock.ts'
import { readOrCreateSecret } from '../sign-in/secret-file.ts'
import { ExecutorPool } from './executor/executor-pool.ts'
import { FairQueue } from './fair-queue.ts'
import { ApiKeyring } from './keys/api-keyring.ts'
import { KeyRing, signKeyDocument } from './keys/key-ring.ts'
import { Programs } from './programs.ts'
import { publicJwk } from './protocol/receipt.ts'
import { ReceiptLog } from './receipt-log.ts'
import { ReplayGuard } from './replay-guard.ts'
import type { WasmConfig } from './wasm-config.ts'
import { createWasmServer } from './wasm-server.ts'
import { WasmService, type Credit } from './wasm-service.ts'
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
  /** Ends executors and closes the store, in this order. */
  close(): Promise<void>
}

export interface OpenWasmOptions {
  config: WasmConfig
  /** The service's own folder: database, cache, secrets. */
  folder: string
  clock: Clock
  /** Gas that a wallet's subscription gives a day; absent: none, and the free tier counts. */
  gasPerDay?(wallet: string): bigint
  logLine?(line: Record<string, unknown>): void
}

/** Wires the hosting service: store, log, keys, engine, executors, HTTP. */
export async function openWasm(options: OpenWasmOptions): Promise<OpenWasm> {
  const { config, folder, clock } = options
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const secret = async (name: string) =>
    await readOrCreateSecret(join(folder, 'secrets', name), async () => Promise.resolve(randomBytes(32)))
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
  const metrics = metricsOf()
  const pool = new ExecutorPool({ workers, engine, onRestart: () => metrics.restarts.inc() })
  const programs = new Programs({
    cache: new ArtifactCache({ folder: join(folder, 'artifacts'), key: await secret('artifact-key'), maxBytes: 512 * MiB }),
    engine,
    compatibility: new Engine({ ...engine, slots: 0, threads: 0 }).compatibility,
    maxModuleBytes: config.wasm.max_module_mb * MiB,
    compileMs: config.wasm.max_execution_time_seconds * 1000,
    compilers: 2,
  })
  const keys = new KeyRing({ clock, rotationSeconds: config.crypto.key_rotation_hours * 3600, overlapSeconds: maxAgeSeconds })
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
  const free = BigInt(config.payment.free_gas_per_day)
  const credit: Credit = {
    left: (owner) => {
      const given = (owner.startsWith('0x') ? options.gasPerDay?.(owner) : undefined) ?? 0n
      return (given > free ? given : free) - store.usage(owner, Math.floor(clock.now() / 86_400)).gas
    },
  }
  const service = new WasmService({
    clock,
    keys,
    replay: new ReplayGuard(),
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
    onEnd: (end) => {
      metrics.executions.inc({ status: end.code === 'OK' ? 'ok' : 'error', error_code: end.code, engine: 'wasmtime-48' })
      metrics.duration.observe(end.runMs / 1000)
      metrics.queueWait.observe(end.queueMs / 1000)
      if (end.compileMs > 0) metrics.compile.observe(end.compileMs / 1000)
    },
  })
  const started = clock.monotonicMs()
  const app = createWasmServer({
    clock,
    service,
    keys,
    apiKeys,
    log,
    store,
    keyDocument: async () => {
      const offered = keys.offered()
      return {
        keys: offered,
        jws: await signKeyDocument(offered, signing.privateKey, signingId),
        host_key: await publicJwk(signing.publicKey),
      }
    },
    health: () => {
      const { running, waiting, memoryBytes } = queue.state
      const full = running >= config.wasm.max_concurrent_executions
      return {
        status: full && waiting > 0 ? 'overloaded' : pool.pids.length < workers ? 'degraded' : 'ok',
        capacity: { max: config.wasm.max_concurrent_executions, in_flight: running, queued: waiting },
        memory_budget: { bytes: config.wasm.memory_budget_mb * MiB, admitted_bytes: memoryBytes },
        engine: { name: 'wasmtime', version: '48' },
        key_expires_in_seconds: keys.secondsLeft(),
        uptime_seconds: Math.floor((clock.monotonicMs() - started) / 1000),
      }
    },
    metrics: async () => {
      metrics.inFlight.set(queue.state.running)
      metrics.queueDepth.set(queue.state.waiting)
      metrics.stored.set(store.kept())
      return { type: metrics.registry.contentType, text: await metrics.registry.metrics() }
    },
    bodyLimit: Math.ceil(config.wasm.max_module_mb * MiB * 1.4) + 65_536,
    logLine: options.logLine ?? (() => {}),
  })
  return {
    app,
    apiKeys,
    pool,
    store,
    log,
    close: async () => {
      await app.close()
      await pool.close()
      store.close()
    },
  }
}

async function signingKey(path: string): Promise<{ privateKey: KeyObject; publicKey: KeyObject }> {
  const pem = await readOrCreateSecret(path, async () =>
    Promise.resolve(generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' })),
  )
  const privateKey = createPrivateKey(pem)
  return { privateKey, publicKey: createPublicKey(pem) }
}

function metricsOf() {
  const registry = new Registry()
  const prefix = 'wasm_hypervisor_'
  const registers = [registry]
  collectDefaultMetrics({ register: registry, prefix })
  const name = (text: string) => `${prefix}${text}`
  return {
    registry,
    executions: new Counter({
      name: name('executions_total'),
      help: 'Runs that ended',
      labelNames: ['status', 'error_code', 'engine'],
      registers,
    }),
    duration: new Histogram({ name: name('execution_duration_seconds'), help: 'Wall time of runs', registers }),
    compile: new Histogram({ name: name('compile_duration_seconds'), help: 'Time spent compiling', registers }),
    queueWait: new Histogram({ name: name('queue_wait_seconds'), help: 'Time spent waiting for room', registers }),
    restarts: new Counter({ name: name('executor_restarts_total'), help: 'Executors that were replaced', registers }),
    inFlight: new Gauge({ name: name('executions_in_flight'), help: 'Runs now', registers }),
    queueDepth: new Gauge({ name: name('queue_depth'), help: 'Requests that wait', registers }),
    stored: new Gauge({ name: name('commitments_stored'), help: 'Receipts whose commitments can be verified', registers }),
  }
}
