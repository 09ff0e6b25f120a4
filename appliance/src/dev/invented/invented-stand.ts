import type { AddressInfo } from 'node:net'
import getPort from 'get-port'
import { buildPages } from '../builds.ts'
import { startPages } from '../pages-server.ts'
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

/** Starts it; `port` 0 chooses one. Throws `process-failed` if the pages do not come up within two minutes. */
export async function startInventedStand(options: {
  port: number
  readOnly: boolean
  /** How many VMs there are. Default 64. */
  vms?: number
  /** A host on which nothing has happened yet. */
  fresh?: boolean
  report?(line: string): void
}): Promise<InventedStand> {
  const pages = await buildPages(options.report ?? (() => undefined))
  const port = options.port === 0 ? await getPort({ host: '127.0.0.1' }) : options.port
  const origin = `http://localhost:${port}`
  const host = await createInventedHost({
    origin,
    ...(options.vms !== undefined && { vms: options.vms }),
    fresh: options.fresh === true,
  })
  await host.app.listen({ host: '127.0.0.1', port: 0 })
  const apiPort = (host.app.server.address() as AddressInfo).port
  const web = await startPages(pages)
  async function stop(): Promise<void> {
    await front?.close()
    await web.stop()
    await host.close()
  }
  let front: Front | undefined
  try {
    front = await openFront({
      port,
      apiPort,
      webPort: web.port,
      sessionToken: await host.sessionToken(),
      readOnly: options.readOnly,
    })
  } catch (error) {
    await stop()
    throw error
  }
  return { origin, host, pages, webPid: web.pid, fail: front.fail, stop }
}
