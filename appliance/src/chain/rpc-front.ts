import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sentinels, type FrontCall, type FrontReply, type Next } from './rpc-sentinels.ts'

/** A JSON-RPC front before a real node that plays its faults. */
export interface RpcFront {
  /** The address of a node with these faults, such as `url('sentinel-stale')`; without names the node as it is. */
  url(...names: SentinelName[]): string
  /** A node of this name whose faults change while it is asked, at an address of its own. */
  node(name: string): FrontNode
  /** How often a method was asked, over all addresses. */
  asked(method: string): number
  /** How often a fault changed or kept back an answer, over all addresses. A fault that only passed answers on counts 0. */
  struck(name: SentinelName): number
  close(): Promise<void>
}

export interface FrontNode {
  url: string
  /** From now on it has these faults and no others. What they remember begins anew. */
  play(...names: SentinelName[]): void
}

export type SentinelName = keyof typeof sentinels

const isSentinel = (name: string): name is SentinelName => Object.hasOwn(sentinels, name)

/**
 * Stands before the node at `upstream` on a free loopback port. The path of a request names the faults it gets, such as
 * `/sentinel-stale/sentinel-empty-logs`: anybody can see the same failure by hand with an RPC address that ends so.
 */
export async function startRpcFront(upstream: string, port = 0): Promise<RpcFront> {
  const counts = new Map<string, number>()
  const strikes = new Map<SentinelName, number>()
  const chains = new Map<string, Next>()
  /** Paths whose faults are set by `play`. */
  const played = new Map<string, readonly SentinelName[]>()

  const forward: Next = async (call) => {
    const response = await fetch(upstream, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...call }),
    })
    return (await response.json()) as FrontReply
  }

  function strike(name: SentinelName): void {
    strikes.set(name, (strikes.get(name) ?? 0) + 1)
  }

  const namesOf = (path: string): readonly SentinelName[] => played.get(path) ?? path.split('/').filter(isSentinel)

  /** One fault before `next`; it struck if `next` was not asked at once with this very call, or another answer came out. */
  function withFault(name: SentinelName, next: Next): Next {
    const fault = sentinels[name]()
    return (call) => {
      let passed: Promise<FrontReply> | undefined
      const reply = fault(call, (changed) => {
        const answer = next(changed)
        if (changed === call) passed = answer
        return answer
      })
      if (passed === undefined) {
        strike(name)
        return reply
      }
      const untouched = passed
      return reply.then(async (answer) => {
        if (answer !== (await untouched)) strike(name)
        return answer
      })
    }
  }

  /** One chain of faults per path, kept: some remember what they saw first. */
  function chainOf(path: string): Next {
    const known = chains.get(path)
    if (known !== undefined) return known
    const chain = namesOf(path).reduceRight<Next>((next, name) => withFault(name, next), forward)
    chains.set(path, chain)
    return chain
  }

  async function answer(path: string, call: FrontCall & { id: unknown }): Promise<object> {
    counts.set(call.method, (counts.get(call.method) ?? 0) + 1)
    const { method, params } = call
    const reply = await chainOf(path)({ method, params })
    return { jsonrpc: '2.0', id: call.id, ...('error' in reply ? { error: reply.error } : { result: reply.result }) }
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/'
    const has = (name: SentinelName): boolean => namesOf(path).includes(name)
    const asked = JSON.parse(await bodyOf(request)) as (FrontCall & { id: unknown }) | (FrontCall & { id: unknown })[]
    for (const [name, act] of Object.entries(ofTheServer) as [
      keyof typeof ofTheServer,
      (typeof ofTheServer)['sentinel-down'],
    ][]) {
      if (!has(name)) continue
      strike(name)
      return act(response)
    }
    let reply: unknown
    if (!Array.isArray(asked)) reply = await answer(path, asked)
    else if (has('sentinel-no-batches')) {
      strike('sentinel-no-batches')
      reply = { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'no batches' } }
    } else reply = await Promise.all(asked.map((call) => answer(path, call)))
    const body = JSON.stringify(reply)
    if (has('sentinel-cut')) {
      strike('sentinel-cut')
      // the length is promised, half of it comes, then the line is gone
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) })
      response.write(body.slice(0, body.length / 2), () => response.destroy())
      return
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(body)
  }

  const server = createServer((request, response) => {
    void serve(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: (...names) => [base, ...names].join('/'),
    node(name) {
      const path = `/${name}`
      const node: FrontNode = {
        url: `${base}${path}`,
        play(...names) {
          played.set(path, names)
          chains.delete(path)
        },
      }
      node.play()
      return node
    },
    asked: (method) => counts.get(method) ?? 0,
    struck: (name) => strikes.get(name) ?? 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** Faults of the whole request, not of a call in it. */
const ofTheServer = {
  'sentinel-down': (response: ServerResponse) => void response.writeHead(502).end('bad gateway'),
  'sentinel-rate-limit': (response: ServerResponse) =>
    void response.writeHead(429, { 'retry-after': '1', 'content-type': 'text/plain' }).end('too many requests'),
  'sentinel-garbage': (response: ServerResponse) =>
    void response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Sign in to the network</title>'),
} as const satisfies Partial<Record<SentinelName, (response: ServerResponse) => void>>

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('utf8')
}
