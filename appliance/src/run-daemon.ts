import { flushCompileCache } from 'node:module'
import { startDaemon, type DaemonOptions } from './main.ts'

/** The daemon as a process: ends at SIGTERM and SIGINT, and begins anew where a backup was restored. Resolves once it runs. */
export async function runDaemon(options: Omit<DaemonOptions, 'beginAnew'>): Promise<void> {
  const start = () =>
    startDaemon({
      ...options,
      // what the backup brought is opened as at any other start
      beginAnew: () =>
        void daemon
          .stop()
          .then(start)
          .then((next) => (daemon = next))
          .catch((error: unknown) => {
            // its supervisor starts it again; what stood in the way is told there
            process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
            process.exit(1)
          }),
    })
  let daemon = await start()
  // now, not at the end: a daemon that is killed leaves it to the next one too (NODE_COMPILE_CACHE of its unit)
  flushCompileCache()
  const stop = () => void daemon.stop().then(() => process.exit(0))
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}
