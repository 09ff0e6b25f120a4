import { pino, type DestinationStream } from 'pino'
import type { WasmConfig } from './wasm-config.ts'

/** Lines for a person or a collector: JSON, one per line. */
export interface WasmLog {
  line(line: Record<string, unknown>): void
  /** Opens the file anew, after a rotation has moved it. Nothing where lines go to standard output. */
  reopen(): void
}

type Level = WasmConfig['logging']['level']

/** Names whose values never reach a line, wherever they come from. */
const secret = ['text', 'secret', 'x-api-key', 'authorization', 'encrypted_wasm', 'public_key', 'arguments']

/** The log of the service: `logging.level` and above, to `logging.file` or standard output. */
export function createWasmLog(config: WasmConfig['logging']): WasmLog {
  const file =
    config.file === undefined ? undefined : pino.destination({ dest: config.file, mkdir: true, sync: true, mode: 0o640 })
  const target: DestinationStream = file ?? pino.destination({ dest: 1, sync: true })
  const log = pino(
    { level: config.level, base: null, redact: { paths: secret.map((name) => `["${name}"]`), remove: true } },
    target,
  )
  return {
    line({ level, message, ...fields }) {
      const at: Level = level === 'error' || level === 'warn' || level === 'debug' ? level : 'info'
      log[at](fields, typeof message === 'string' ? message : '')
    },
    reopen: () => file?.reopen(),
  }
}
