import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { JsonRpcProvider, toQuantity, type HDNodeWallet } from 'ethers'
import { z } from 'zod'
import { devWallet } from './dev-wallet.ts'
import { localChainId } from './local-chain.ts'
import { answerAsWallet } from './wallet-answers.ts'

/** The wallets that announce themselves: the operator's, and two who have bought nothing yet. */
const offered = [1, 4, 5]
const path = '/dev-wallet'
const questionSchema = z.strictObject({
  index: z.number().refine((i) => offered.includes(i)),
  method: z.string().max(60),
  params: z.array(z.unknown()).max(4),
})

/** Stands between Caddy and the pages of a local chain. */
export interface WalletFront {
  /** `127.0.0.1:port` */
  address: string
  close(): Promise<void>
}

/**
 * Gives the pages of embedded mode wallets to buy with (EIP-6963), on the local development chain only. The pages stay those of
 * production: this server adds one script to what they answer, under their own nonce, and signs itself; no key reaches the browser.
 * @param options.pages where the pages are served, `127.0.0.1:port`
 */
export async function openWalletFront(options: { pages: string; rpcUrl: string; origin: string }): Promise<WalletFront> {
  const node = new JsonRpcProvider(options.rpcUrl, localChainId, { staticNetwork: true, cacheTimeout: -1 })
  const wallets = new Map(offered.map((index) => [index, devWallet(index).connect(node)]))
  const server = createServer((request, response) => {
    if (request.url === `${path}.js`) {
      response.writeHead(200, { 'content-type': 'text/javascript', 'cache-control': 'no-store' }).end(script())
    } else if (request.url === path && request.method === 'POST') {
      void answer(request, response, { node, wallets, origin: options.origin })
    } else forward(request, response, options.pages)
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(0, '127.0.0.1', resolve)
  await promise
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      const { promise: closed, resolve: done } = Promise.withResolvers<void>()
      server.close(() => done())
      server.closeAllConnections()
      node.destroy()
      return closed
    },
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { node, wallets, origin }: { node: JsonRpcProvider; wallets: Map<number, HDNodeWallet>; origin: string },
): Promise<void> {
  const say = (status: number, body: object) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  // another site that is open in the same browser has no business here
  if (request.headers.origin !== origin)
    return void say(403, { refused: { code: 4100, message: 'Only for pages of this host.' } })
  try {
    let text = ''
    for await (const chunk of request) if ((text += String(chunk)).length > 100_000) throw new Error('too long')
    const { index, method, params } = questionSchema.parse(JSON.parse(text))
    const wallet = wallets.get(index)
    if (wallet === undefined) throw new Error('there is no such wallet')
    const accounts = method === 'eth_accounts' || method === 'eth_requestAccounts'
    const own = accounts ? [wallet.address] : method === 'eth_chainId' ? toQuantity(localChainId) : undefined
    say(200, { result: own ?? (await answerAsWallet(wallet, node, method, params)) })
  } catch (error) {
    say(200, { refused: { code: -32603, message: error instanceof Error ? error.message.slice(0, 200) : 'refused' } })
  }
}

/** Passes on what the pages answer; a page of theirs gets the script, under the nonce that its own policy names. */
function forward(request: IncomingMessage, response: ServerResponse, pages: string): void {
  const [host, port] = pages.split(':')
  const there = httpRequest(
    {
      host,
      port,
      method: request.method,
      path: request.url,
      // what is compressed could not be added to
      headers: { ...request.headers, 'accept-encoding': 'identity' },
    },
    (from) => {
      const nonce = /'nonce-([^']+)'/.exec(String(from.headers['content-security-policy'] ?? ''))?.[1]
      if (nonce === undefined || !String(from.headers['content-type']).startsWith('text/html')) {
        response.writeHead(from.statusCode ?? 502, from.headers)
        from.pipe(response)
        return
      }
      const { 'content-length': _, ...headers } = from.headers
      let html = ''
      from.setEncoding('utf8').on('data', (chunk: string) => (html += chunk))
      from.on('end', () => {
        response.writeHead(from.statusCode ?? 502, headers)
        response.end(html.replace('<head>', `<head><script nonce="${nonce}" src="${path}.js" async></script>`))
      })
    },
  )
  there.on('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end()))
  response.on('close', () => there.destroy())
  request.pipe(there)
}

function script(): string {
  return `(${announce.toString()})(${JSON.stringify(offered)}, ${JSON.stringify(path)})`
}

/** Runs in the page. */
function announce(indexes: readonly number[], where: string): void {
  const page = globalThis as unknown as EventTarget
  const icon = `data:image/svg+xml,${encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect width="8" height="8" rx="2" fill="#b4690e"/></svg>')}`
  const all = indexes.map((index) => ({
    info: {
      uuid: `00000000-0000-4000-8000-0000000d000${index}`,
      name: `Development wallet ${index}`,
      rdns: `local.freehold.development-${index}`,
      icon,
    },
    provider: {
      async request({ method, params }: { method: string; params?: unknown[] }) {
        const body = JSON.stringify({ index, method, params: params ?? [] })
        const answered = await fetch(where, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
        const { result, refused } = (await answered.json()) as {
          result?: unknown
          refused?: { code: number; message: string }
        }
        if (refused !== undefined) throw Object.assign(new Error(refused.message), { code: refused.code })
        return result
      },
    },
  }))
  const tell = () => {
    for (const detail of all) page.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail: Object.freeze(detail) }))
  }
  page.addEventListener('eip6963:requestProvider', tell)
  tell()
}
