import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

const prefix = 'wasm_hypervisor_'

/** The service's metrics. No label names a request, a key or a caller. */
export function createWasmMetrics() {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry, prefix })
  const named = (name: string, help: string) => ({ name: `${prefix}${name}`, help, registers })
  return {
    registry,
    executions: new Counter({ ...named('executions_total', 'Runs that ended'), labelNames: ['status', 'error_code', 'engine'] }),
    refused: new Counter({ ...named('refused_total', 'Answers that were refusals'), labelNames: ['error_code'] }),
    rateLimited: new Counter(named('rate_limited_total', 'Refusals because of a rate')),
    duration: new Histogram(named('execution_duration_seconds', 'Wall time of runs')),
    compile: new Histogram(named('compile_duration_seconds', 'Time spent compiling')),
    queueWait: new Histogram(named('queue_wait_seconds', 'Time spent waiting for room')),
    gas: new Histogram({
      ...named('gas_used', 'Gas that runs used'),
      buckets: [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11],
    }),
    memoryPeak: new Histogram({
      ...named('guest_memory_peak_bytes', 'Largest memory of runs'),
      buckets: [0, 16, 20, 22, 24, 26, 28, 30].map((power) => (power === 0 ? 0 : 2 ** power)),
    }),
    http: new Histogram({
      ...named('http_request_duration_seconds', 'Answers'),
      labelNames: ['route', 'method', 'status'],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    }),
    crypto: new Counter({
      ...named('crypto_operations_total', 'Seals opened and made'),
      labelNames: ['op', 'outcome'],
    }),
    restarts: new Counter(named('executor_restarts_total', 'Executors that were replaced')),
    cacheHits: new Counter(named('module_cache_hits_total', 'Programs whose machine code was there')),
    cacheMisses: new Counter(named('module_cache_misses_total', 'Programs that were compiled')),
    inFlight: new Gauge(named('executions_in_flight', 'Runs now')),
    capacity: new Gauge(named('capacity', 'Runs at once')),
    queueDepth: new Gauge(named('queue_depth', 'Requests that wait')),
    stored: new Gauge(named('commitments_stored', 'Receipts whose commitments can be verified')),
  }
}

export type WasmMetrics = ReturnType<typeof createWasmMetrics>
