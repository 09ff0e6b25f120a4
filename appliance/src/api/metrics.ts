import { createServer } from 'node:http'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { AppError } from '../errors/app-error.ts'
import type { HostFacts } from './facts.ts'
import { holdingsOf } from './holdings.ts'

export interface MetricsPorts {
  facts(): HostFacts
  /** Open issues, by severity. */
  issues(): Promise<readonly { severity: string }[]>
  /** Throws if the daemon cannot work: its store does not answer. */
  healthy(): Promise<void>
}

/** `GET /healthz` and `GET /metrics` (Prometheus) on loopback: no name and no address of anybody. */
export interface MetricsServer {
  /** `127.0.0.1:port`; port 0 chooses one. Resolves with the port. Throws `port-in-use`. */
  listen(at: string): Promise<number>
  close(): Promise<void>
}

export function createMetricsServer(ports: MetricsPorts): MetricsServer {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `freehold_${name}`, help, labelNames, registers: [registry] })
  const subscriptions = gauge('subscriptions', 'Subscriptions that have not ended, by state at the newest block', ['state'])
  const vms = gauge('vms', 'VMs of ours on the hypervisor, by power state', ['state'])
  const hypervisorUp = gauge('hypervisor_up', '1 if the hypervisor answered')
  const block = gauge('latest_block', 'Number of the newest block that was read')
  const blockTime = gauge('latest_block_timestamp_seconds', 'Time of the newest block that was read')
  const stale = gauge('chain_stale', '1 if the newest block is too old to act on')
  const tasks = gauge('tasks_running', 'Tasks that run now')
  const issues = gauge('issues', 'Open issues, by severity', ['severity'])

  async function text(): Promise<string> {
    const facts = ports.facts()
    subscriptions.reset()
    for (const { subscription } of holdingsOf(facts).all) subscriptions.inc({ state: subscription.state })
    vms.reset()
    for (const record of facts.records?.values() ?? []) vms.inc({ state: record.state })
    hypervisorUp.set(facts.records === null ? 0 : 1)
    block.set(facts.heads?.latest.number ?? 0)
    blockTime.set(facts.heads?.latest.timestamp ?? 0)
    stale.set(facts.heads?.stale === false ? 0 : 1)
    tasks.set(facts.tasks.size)
    issues.reset()
    for (const { severity } of await ports.issues()) issues.inc({ severity })
    return await registry.metrics()
  }

  const answers: Record<string, () => Promise<{ type: string; text: string }>> = {
    '/metrics': async () => ({ type: registry.contentType, text: await text() }),
    '/healthz': async () => {
      await ports.healthy()
      return { type: 'text/plain; charset=utf-8', text: 'ok\n' }
    },
  }
  const server = createServer({ requestTimeout: 5000, headersTimeout: 5000 }, (request, response) => {
    const answer = request.method === 'GET' ? answers[request.url ?? ''] : undefined
    if (answer === undefined) return void response.writeHead(404).end()
    answer().then(
      (found) => void response.writeHead(200, { 'content-type': found.type, 'cache-control': 'no-store' }).end(found.text),
      () => void response.writeHead(503, { 'content-type': 'text/plain' }).end('not healthy\n'),
    )
  })

  return {
    async listen(at) {
      const [host = '127.0.0.1', port = '0'] = at.split(':')
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      server.once('error', reject)
      server.listen(Number(port), host, resolve)
      await promise.catch((cause: unknown) => {
        throw new AppError({ code: 'port-in-use', detail: `The metrics cannot be served on ${at}.`, cause })
      })
      const address = server.address()
      return typeof address === 'object' && address !== null ? address.port : Number(port)
    },
    async close() {
      const { promise, resolve } = Promise.withResolvers<void>()
      server.close(() => resolve())
      server.closeAllConnections()
      await promise
    },
  }
}
