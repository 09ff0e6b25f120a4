import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import getPort from 'get-port'
import { AppError } from '../errors/app-error.ts'
import { pagesEnvironment } from './daemon-limits.ts'
import { until } from './supervisor.ts'

/** How the built pages in `folder` are run on a loopback port: as their unit has it (appliance/units/freehold-web.service). */
export function pagesProcess(folder: string, port: number) {
  return {
    command: process.execPath,
    args: [join(folder, 'wizard/server.js')],
    cwd: join(folder, 'wizard'),
    env: {
      HOSTNAME: '127.0.0.1',
      PORT: String(port),
      NODE_ENV: 'production',
      NEXT_TELEMETRY_DISABLED: '1',
      ...pagesEnvironment,
    },
  }
}

/** Whether the pages on a loopback port answer. */
export async function pagesAnswer(port: number): Promise<boolean> {
  return (await fetch(`http://127.0.0.1:${port}/icon.svg`, { signal: AbortSignal.timeout(5000) })).ok
}

/** The built pages alone, with nothing in front of them. */
export interface PagesServer {
  port: number
  pid: number
  stop(): Promise<void>
}

/** Starts the pages in `folder` on a free port. Throws `process-failed` if they end, `timed-out` if they are not up in two minutes. */
export async function startPages(folder: string): Promise<PagesServer> {
  const port = await getPort({ host: '127.0.0.1' })
  const { command, args, cwd, env } = pagesProcess(folder, port)
  const child = spawn(command, args, { cwd, stdio: 'ignore', env: { PATH: process.env['PATH'] ?? '', ...env } })
  const ended = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
  }
  try {
    await until('The server of the pages', 120, async () => child.exitCode !== null || (await pagesAnswer(port)))
    if (child.exitCode !== null) throw new AppError({ code: 'process-failed', detail: 'The pages did not come up.' })
  } catch (error) {
    await stop()
    throw error
  }
  return { port, pid: child.pid ?? 0, stop }
}
