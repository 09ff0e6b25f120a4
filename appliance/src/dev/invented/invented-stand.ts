import { spawn } from 'node:child_process'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { systemClock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import { buildPages } from '../builds.ts'
import { pagesEnvironment } from '../daemon-limits.ts'
import { openFront, type Front } from './front.ts'
import { createInventedHost, type InventedHost } from './invented-host.ts'

/** The invented host with its pages on one loopback origin. */
export interface InventedStand {
  origin: string
  host: InventedHost
  /** The folder of the built pages. */
  pages: string
  /** Process id of the pages' server. */
  webPid: number
  fail: Front['fail']
  stop(): Promise<void>
}

async function freePort(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>()
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resolve(port))
  })
  return await promise
}

/** Starts it; `port` 0 chooses one. Throws `process-failed` if the pages do not come up within two minutes. */
export async function startInventedStand(options: {
  port: number
  readOnly: boolean
  /** How many VMs there are. Default 64. */
  vms?: number
  report?(line: string): void
}): Promise<InventedStand> {
  const pages = await buildPages(options.report ?? (() => undefined))
  const port = options.port === 0 ? await freePort() : options.port
  const origin = `http://localhost:${port}`
  const host = await createInventedHost({ origin, ...(options.vms !== undefined && { vms: options.vms }) })
  await host.app.listen({ host: '127.0.0.1', port: 0 })
  const apiPort = (host.app.server.address() as AddressInfo).port
  const webPort = await freePort()
  const web = spawn(process.execPath, ['server.js'], {
    cwd: join(pages, 'wizard'),
    stdio: 'ignore',
    env: {
      PATH: process.env['PATH'] ?? '',
      HOSTNAME: '127.0.0.1',
      PORT: String(webPort),
      NODE_ENV: 'production',
      NEXT_TELEMETRY_DISABLED: '1',
      ...pagesEnvironment,
    },
  })
  const webEnded = new Promise<void>((resolve) => web.once('exit', () => resolve()))
  async function stop(): Promise<void> {
    await front?.close()
    web.kill('SIGTERM')
    await webEnded
    await host.close()
  }
  let front: Front | undefined
  try {
    const end = systemClock.monotonicMs() + 120_000
    while (
      !(await fetch(`http://127.0.0.1:${webPort}/icon.svg`).then(
        (r) => r.ok,
        () => false,
      ))
    ) {
      if (systemClock.monotonicMs() > end || web.exitCode !== null)
        throw new AppError({ code: 'process-failed', detail: 'The pages did not come up.' })
      await systemClock.wait(50)
    }
    front = await openFront({ port, apiPort, webPort, sessionToken: await host.sessionToken(), readOnly: options.readOnly })
  } catch (error) {
    await stop()
    throw error
  }
  return { origin, host, pages, webPid: web.pid ?? 0, fail: front.fail, stop }
}
