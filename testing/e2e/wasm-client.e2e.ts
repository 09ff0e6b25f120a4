import { execFileSync } from 'node:child_process'
import { createReadStream, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, normalize } from 'node:path'
import type { createWasmClient as create } from '@freehold/wasm-client/client'
import { expect, test } from '@playwright/test'
import { fromText } from 'wasmtime-node/wat'
import { openStand, type WasmStand } from '../wasm/stand/stand.ts'

const checkout = join(import.meta.dirname, '../..')
/** The libraries of the client as their packages lie there, named as a page without a bundler names them. */
const imports = {
  '@hpke/core': '/npm/@hpke/core/esm/mod.js',
  '@hpke/common': '/npm/@hpke/common/esm/mod.js',
  jose: '/npm/jose/dist/webapi/index.js',
  canonicalize: '/npm/canonicalize/lib/canonicalize.js',
}

let service: WasmStand
let server: Server
let folder: string
test.beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fh-wasm-client-'))
  execFileSync(process.execPath, [join(checkout, 'appliance/wasm-client/package.ts'), folder], {
    stdio: 'ignore',
    timeout: 120_000,
  })
  service = await openStand({ server: { workers: 1 } })
  // a site of somebody else: the published files of the client and its libraries, nothing of ours
  server = createServer((request, response) => {
    const path = normalize(request.url ?? '/')
    if (path === '/') {
      const page = `<!doctype html><title>Client</title><script type="importmap">${JSON.stringify({ imports })}</script>`
      return response.setHeader('content-type', 'text/html').end(page)
    }
    const file = path.startsWith('/npm/') ? join(checkout, 'node_modules', path.slice(5)) : join(folder, path)
    if (!existsSync(file)) return response.writeHead(404).end()
    return createReadStream(file).pipe(response.setHeader('content-type', 'text/javascript'))
  }).listen(0, '127.0.0.1')
})
test.afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await service.close()
  rmSync(folder, { recursive: true, force: true })
})

test('a page of another origin seals, runs, opens, checks the receipt, and hears of refusals', async ({ page }) => {
  await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`)
  const wasm = await fromText('(module (func (export "main") (param i64) (result i64) (i64.mul (local.get 0) (i64.const 2))))')
  const { host } = await service.hostKeys()
  const given = { wasm: [...wasm], url: service.origin, apiKey: service.apiKey, hostKey: host }
  const said = await page.evaluate(async ({ wasm, url, apiKey, hostKey }) => {
    // as a page writes it; the specifier is the page's own, so no compiler here is asked about it
    const place: string = '/dist/client.js'
    const { createWasmClient } = (await import(place)) as { createWasmClient: typeof create }
    const client = createWasmClient({ url, apiKey, hostKey })
    const request = { function_name: 'main', arguments: [{ value: '9007199254740993' }], timeout_seconds: 2 }
    const ran = await client.run(new Uint8Array(wasm), request)
    const { included } = await client.check(ran.jws)
    const codeOf = async (act: Promise<unknown>) =>
      await act.then(
        () => 'ran',
        (error: { code?: string; message: string }) => error.code ?? error.message,
      )
    const refused = await codeOf(client.run(new Uint8Array(wasm), { ...request, function_name: 'other' }))
    const stranger = await codeOf(createWasmClient({ url, apiKey: 'none', hostKey }).run(new Uint8Array(wasm), request))
    const pinned = await codeOf(
      createWasmClient({ url, apiKey, hostKey: { ...hostKey, x: 'A'.repeat(43) } }).run(new Uint8Array(wasm), request),
    )
    return { results: ran.results, included, refused, stranger, pinned }
  }, given)
  expect(said).toEqual({
    results: [{ type: 'i64', value: '18014398509481986' }],
    included: true,
    refused: 'FUNCTION_NOT_FOUND',
    stranger: 'UNAUTHORIZED',
    pinned: 'The host signs with another key than before.',
  })
})
