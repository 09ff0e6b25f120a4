import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sentinels, type FrontCall, type FrontReply, type Next } from './rpc-sentinels.ts'

/** A JSON-RPC front before a real node that plays its faults. */
export interface RpcFront {
  /** The address of a node with these faults, such as `url('sentinel-stale')`; without names the node as it is. */
  url(...names: SentinelName[]): string
  /** How often a method was asked, over all addresses. */
  asked(method: string): number
  close(): Promise<void>
}

export type SentinelName = keyof typeof sentinels

/**
 * Stands before the node at `upstream` on a free loopback port. The path of a request names the faults it gets, such as
 * `/sentinel-stale/sentinel-empty-logs`: anybody can see the same failure by hand with an RPC address that ends so.
 */
export async function startRpcFront(upstream: string, port = 0): Promise<RpcFront> {
  const counts = new Map<string, number>()
  const chains = new Map<string, Next>()

  const forward: Next = async (call) => {
    const response = await fetch(upstream, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...call }),
    })
    return (await response.json()) as FrontReply
  }

  /** One chain of faults per path, kept: some remember what they saw first. */
  function chainOf(path: string): Next {
    const known = chains.get(path)
    if (known !== undefined) return known
    const names = path.split('/').filter((name): name is SentinelName => name in sentinels)
    const chain = names.reduceRight<Next>((next, name) => {
      const fault = sentinels[name]()
      return (call) => fault(call, next)
    }, forward)
    chains.set(path, chain)
    return chain
  }

  async function answer(path: string, call: FrontCall & { id: unknown }): Promise<object> {
    counts.set(call.method, (counts.get(call.method) ?? 0) + 1)
    const { method, params } = call
    const reply = await chainOf(path)({ method, params })
    return { jsonrpc: '2.0', id: call.id, ...('error' in reply ? { error: reply.error } : { result: reply.result }) }
  }

  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    void bodyOf(request).then(
      async (body) => {
        if (path.includes('sentinel-down')) return response.writeHead(502).end('bad gateway')
        const asked = JSON.parse(body) as FrontCall & { id: unknown }
        let reply: unknown
        if (!Array.isArray(asked)) reply = await answer(path, asked)
        else if (path.includes('sentinel-no-batches'))
          reply = { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'no batches' } }
        else reply = await Promise.all(asked.map((call: FrontCall & { id: unknown }) => answer(path, call)))
        return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reply))
      },
      () => response.destroy(),
    )
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: (...names) => [base, ...names].join('/'),
    asked: (method) => counts.get(method) ?? 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('utf8')
}
