import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { z } from 'zod'
import { callApi } from './client.ts'
import { PageFailure } from './failure.ts'
import { noteLink, readLink } from './link.ts'

test('a read that nobody answers is a lost link after its time, and the next answer brings it back', async () => {
  let hangs = true
  let asked = 0
  const server = createServer((_, response) => {
    asked += 1
    if (!hangs) response.setHeader('content-type', 'application/json').end('7')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  Object.assign(globalThis, { location: { host: 'host.example' } })
  try {
    await assert.rejects(callApi(z.number(), 'GET', url, { patienceMs: 4000 }), (error) => {
      assert.ok(error instanceof PageFailure)
      assert.equal(error.code, 'network')
      return true
    })
    assert.equal(asked, 1)
    assert.equal(readLink().lost, true)
    hangs = false
    assert.equal(await callApi(z.number(), 'GET', url, { patienceMs: 20_000 }), 7)
    assert.equal(readLink().lost, false)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test('who leaves a page while it asks is told no lost link', async () => {
  const server = createServer(() => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  noteLink(true)
  const leaving = new AbortController()
  const asking = callApi(z.number(), 'GET', url, { signal: leaving.signal })
  leaving.abort(new Error('left'))
  try {
    await assert.rejects(asking, /left/)
    assert.equal(readLink().lost, false)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
