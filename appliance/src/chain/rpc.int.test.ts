import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, describe, test } from 'node:test'
import { inspect } from 'node:util'
import { RpcClient, refusalOf } from './rpc.ts'

/** A node that answers what a test tells it to. */
let answer: (body: unknown, request: IncomingMessage, response: ServerResponse) => void
let requests: unknown[]
const server = createServer((request, response) => {
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('end', () => {
    const body: unknown = JSON.parse(Buffer.concat(parts).toString())
    requests.push(body)
    answer(body, request, response)
  })
})
let base: string
before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
after(() => {
  server.close()
  server.closeAllConnections()
})
beforeEach(() => {
  requests = []
})

const client = (options: Partial<ConstructorParameters<typeof RpcClient>[0]> = {}) =>
  new RpcClient({ url: `${base}/v3/s3cr3t`, timeoutMs: 300, backoffMs: 1, ...options })
const ok = (body: unknown, result: unknown): string => JSON.stringify({ jsonrpc: '2.0', id: (body as { id: number }).id, result })

describe('denials', () => {
  for (const [name, reply] of [
    ['an answer that is not JSON', '<html>'],
    ['an answer without result', '{"jsonrpc":"2.0","id":1}'],
    ['a bare word', '"0x1"'],
    ['nothing', ''],
  ] as const) {
    test(`denies ${name}`, async () => {
      answer = (_body, _request, response) => response.end(reply)
      await assert.rejects(client().call('eth_chainId'), { code: 'rpc-unreachable' })
    })
  }

  test('denies an answer that is too long without reading it all', async () => {
    answer = (body, _request, response) => response.end(ok(body, 'x'.repeat(100_000)))
    await assert.rejects(client({ maxAnswerBytes: 1000 }).call('eth_call'), { code: 'rpc-unreachable' })
  })

  test('denies a redirect and a protocol other than http', async () => {
    answer = (_body, _request, response) => response.writeHead(307, { location: `${base}/else` }).end()
    await assert.rejects(client().call('eth_chainId'), { code: 'rpc-unreachable' })
    await assert.rejects(client({ url: 'ws://127.0.0.1:1' }).call('eth_chainId'), { code: 'rpc-unreachable' })
  })

  test('gives up on a node that does not answer', async () => {
    answer = () => undefined
    await assert.rejects(client({ attempts: 2 }).call('eth_chainId'), { code: 'rpc-unreachable' })
    assert.equal(requests.length, 2)
  })

  test('what a stranger reads holds no path: it may be a key', async () => {
    answer = (_body, _request, response) => response.writeHead(500).end('no')
    await assert.rejects(client().call('eth_chainId'), (error: Error & { detail: string }) => {
      assert.ok(!error.detail.includes('s3cr3t') && !error.message.includes('s3cr3t'))
      return true
    })
    assert.ok(!inspect(client().host).includes('s3cr3t'))
  })
})

test('a read is tried again; a broadcast never', async () => {
  let calls = 0
  answer = (body, _request, response) => {
    calls += 1
    if (calls % 2 === 1) response.writeHead(503).end('busy')
    else response.end(ok(body, '0x1'))
  }
  assert.equal(await client().call('eth_blockNumber'), '0x1')
  await assert.rejects(client().send('eth_sendRawTransaction', ['0x']), { code: 'rpc-unreachable' })
  assert.equal(requests.length, 3)
})

test('what the node refuses carries its code and data', async () => {
  const error = { code: 3, message: 'execution reverted', data: '0x08c379a0' }
  answer = (body, _request, response) => response.writeHead(400).end(JSON.stringify({ id: (body as { id: number }).id, error }))
  await assert.rejects(client().call('eth_call'), (failure: Error & { code: string }) => {
    assert.equal(failure.code, 'rpc-refused')
    assert.deepEqual([refusalOf(failure)?.rpcCode, refusalOf(failure)?.data], [3, '0x08c379a0'])
    return true
  })
  assert.equal(requests.length, 1, 'a refusal is an answer')
})

test('answers of a batch are matched by id, in whatever order they come', async () => {
  answer = (body, _request, response) =>
    response.end(
      `[${(body as { method: string }[])
        .map((call) => ok(call, call.method))
        .toReversed()
        .join(',')}]`,
    )
  assert.deepEqual(
    await client().batch([
      { method: 'a', params: [] },
      { method: 'b', params: [] },
    ]),
    ['a', 'b'],
  )
  answer = (body, _request, response) => response.end(`[${ok((body as unknown[])[0], 'a')}]`)
  await assert.rejects(
    client({ attempts: 1 }).batch([
      { method: 'a', params: [] },
      { method: 'b', params: [] },
    ]),
    { code: 'rpc-unreachable' },
  )
})

test('a node that refuses batches is asked one by one from then on', async () => {
  answer = (body, _request, response) =>
    response.end(
      Array.isArray(body) ? '{"id":null,"error":{"code":-32600,"message":"no"}}' : ok(body, (body as { method: string }).method),
    )
  const one = client()
  const calls = [
    { method: 'a', params: [] },
    { method: 'b', params: [] },
  ]
  assert.deepEqual(await one.batch(calls), ['a', 'b'])
  assert.deepEqual(await one.batch(calls), ['a', 'b'])
  assert.equal(requests.length, 5)
})

test('user and password of an address become a header', async () => {
  answer = (body, request, response) => response.end(ok(body, request.headers.authorization))
  const url = base.replace('http://', 'http://user:p%40ss@')
  assert.equal(await client({ url }).call('x'), `Basic ${Buffer.from('user:p@ss').toString('base64')}`)
})
