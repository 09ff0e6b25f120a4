import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { fetchWhole } from './fetch.ts'

// The one thing of the profile that speaks to a stranger, with a real server; the order of steps is in steps.test.ts.
let server: Server
const at = (path: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
before(async () => {
  server = createServer((request, reply) => {
    if (request.url === '/key') reply.end('the key')
    else if (request.url === '/moved') reply.writeHead(302, { location: '/key' }).end()
    else if (request.url === '/large') reply.end(Buffer.alloc(3 * 2 ** 20))
    else reply.writeHead(503).end()
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
})
after(() => server.close())

test('a redirect, an error, more than a key is, and nobody there are refused; a key comes whole', async () => {
  for (const path of ['/moved', '/down', '/large']) await assert.rejects(fetchWhole(at(path)), path)
  await assert.rejects(fetchWhole('http://127.0.0.1:1/key'))
  assert.equal(Buffer.from(await fetchWhole(at('/key'))).toString(), 'the key')
})
