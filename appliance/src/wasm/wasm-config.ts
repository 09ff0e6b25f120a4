import { z } from 'zod'

const positive = z.number().int().positive()

/** The service's own configuration file (YAML), field for field as specified; unknown fields are refused. */
export const wasmConfigSchema = z.strictObject({
  server: z
    .strictObject({
      host: z.string().default('127.0.0.1'),
      port: z.number().int().min(0).max(65535).default(8430),
      /** Executor processes. */
      workers: positive.max(64).default(4),
    })
    .prefault({}),
  wasm: z
    .strictObject({
      /** Of one instance. */
      max_memory_mb: positive.max(4096).default(64),
      max_execution_time_seconds: positive.max(300).default(10),
      max_concurrent_executions: positive.max(10_000).default(100),
      /** Of all instances together: what does not fit waits. */
      memory_budget_mb: positive.default(768),
      max_module_mb: positive.max(64).default(16),
      /** Of a request that names none. */
      default_gas_limit: z
        .string()
        .regex(/^\d{1,18}$/)
        .default('10000000000'),
    })
    .prefault({}),
  crypto: z
    .strictObject({
      key_rotation_hours: positive.max(24 * 30).default(24),
      commitment_retention_days: positive.max(3650).default(7),
      commitment_scheme: z.enum(['hiding', 'plain-sha256']).default('hiding'),
    })
    .prefault({}),
  logging: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
      file: z.string().optional(),
    })
    .prefault({}),
  payment: z
    .strictObject({
      /** Gas a day for a key without a plan; for development. 0: such keys run nothing. */
      free_gas_per_day: z
        .string()
        .regex(/^\d{1,20}$/)
        .default('0'),
    })
    .prefault({}),
  /** What one API key may ask for a second on average, and at once. */
  rate: z
    .strictObject({
      requests_per_second: positive.default(10_000),
      requests_burst: positive.default(20_000),
      megabytes_per_second: positive.default(256),
      megabytes_burst: positive.default(1024),
      /** Counted when a run has ended; what is over it makes the next request wait. */
      gas_per_second: positive.default(1e12),
      gas_burst: positive.default(1e13),
    })
    .prefault({}),
})

export type WasmConfig = z.output<typeof wasmConfigSchema>
