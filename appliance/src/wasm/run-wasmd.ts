import { parseArgs } from 'node:util'
import type { Clock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import { loadWasmConfig } from './load-wasm-config.ts'
import { startWasmDaemon } from './start-wasmd.ts'
import { createWasmLog } from './wasm-log.ts'

/** Runs freehold-wasmd as a process of its own: SIGTERM and SIGINT stop it, SIGHUP opens its log file anew. */
export async function runWasmd(argv: readonly string[], clock: Clock): Promise<void> {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        config: { type: 'string', default: '/etc/freehold/wasm.yaml' },
        state: { type: 'string', default: '/var/lib/freehold-wasm' },
        'host-socket': { type: 'string', default: '/run/freehold-wasm.sock' },
      },
    })
    const config = await loadWasmConfig(values.config)
    const log = createWasmLog(config.logging)
    // what systemd opened for us goes first (sd_listen_fds(3))
    const given = process.env['LISTEN_PID'] === String(process.pid) && process.env['LISTEN_FDS'] === '1'
    const hostSocket = given ? { fd: 3 } : values['host-socket']
    const daemon = await startWasmDaemon({ config, stateFolder: values.state, hostSocket, clock, log })
    const stop = () => void daemon.stop().then(() => process.exit(0))
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
    process.on('SIGHUP', () => log.reopen())
  } catch (error) {
    process.stderr.write(`${textOf(error)}\n`)
    process.exit(1)
  }
}

function textOf(error: unknown): string {
  if (!(error instanceof AppError)) return String(error)
  return [error.title, error.detail, ...error.fields.map((f) => `  ${f.pointer || '/'}: ${f.detail}`), error.hint].join('\n')
}
