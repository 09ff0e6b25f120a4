import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { reliability } from '../dev/reliability.ts'
import { createGuestEndpoint, type GuestEndpoint } from '../sign-in/guest-endpoint.ts'
import { loadOrCreateSecrets } from '../sign-in/secrets.ts'
import { TestGuest } from '../sign-in/test-guest.ts'
import { testInstallation } from '../sign-in/test-stand.ts'
import { vmSecret } from '../vms/guest-secrets.ts'
import { bodyLimit, createApi, type ApiServer } from './app.ts'
import { registerSetup } from './routes/setup.ts'
import { apiStand, type ApiStand } from './test-stand.ts'

// The doors that no browser sees: the operator's own socket, where every caller may do everything, and the guests' endpoint.
let stand: ApiStand
let operator: ApiServer
let folder: string
let socketPath: string
let guests: GuestEndpoint
let guestPort: number
let guest: TestGuest
/** What setup was asked for. */
const asked: string[] = []
let unsafe: { method: string; path: string; hasBody: boolean }[]

before(async () => {
  stand = await apiStand()
  await stand.refresh()
  folder = await mkdtemp(join(tmpdir(), 'fh-doors-'))
  socketPath = join(folder, 'admin.sock')
  const told = (what: string) => {
    asked.push(what)
    return Promise.reject(new Error('nothing is set up here'))
  }
  const setup = {
    review: () => told('review'),
    begin: () => told('begin'),
    rebuild: () => told('rebuild'),
    undo: () => told('undo'),
  }
  operator = await createApi(stand.apiPorts, { door: 'host', extend: [registerSetup(setup)] })
  await operator.listen({ path: socketPath })
  const document = await call('GET', '/v1/openapi.json')
  const paths = (JSON.parse(document.text) as { paths: Record<string, Record<string, { requestBody?: unknown }>> }).paths
  unsafe = Object.entries(paths).flatMap(([template, methods]) =>
    Object.entries(methods)
      .filter(([method]) => method !== 'get')
      .map(([method, operation]) => ({
        method: method.toUpperCase(),
        path: template
          .replace(/\{vmId\}/, `${testInstallation}-42`)
          .replace(/\{code\}/, 'AAAAAAAA')
          .replace(/\{\w+\}/g, 'ab'.repeat(16)),
        hasBody: operation.requestBody !== undefined,
      })),
  )
  const secrets = await loadOrCreateSecrets(join(folder, 'secrets'))
  const onReport = () => Promise.resolve(void asked.push('report'))
  guests = createGuestEndpoint({ ...stand.ports, signIn: stand.signIn, master: secrets.master, login: secrets.login, onReport })
  guestPort = await guests.listen('127.0.0.1:0')
  await stand.putVm({ tokenId: 42n, ipv4: '127.0.0.2' })
  guest = new TestGuest(guestPort, secrets.spkiSha256)
  guest.from = '127.0.0.2'
  guest.bearer = `${testInstallation}/42/1.${vmSecret(secrets.master, `freehold:${testInstallation}/42/1`)}`
})
after(async () => {
  guest?.close()
  await guests?.close()
  await operator?.close()
  await stand?.close()
  await rm(folder, { recursive: true, force: true })
})

let serial = 0
function call(method: string, path: string, body?: string, chunked = false): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
  const headers = {
    host: 'localhost',
    'idempotency-key': `door-key-${(serial += 1)}`,
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...(body !== undefined && (chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': Buffer.byteLength(body) })),
  }
  const request = httpRequest({ socketPath, method, path, headers, agent: false }, (response) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => (text += chunk))
    response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
  })
  // the server answers and hangs up while the body is still being sent
  request.on('error', (error: NodeJS.ErrnoException) => (error.code === 'EPIPE' ? undefined : reject(error)))
  request.end(body)
  return promise
}

function codeOf(text: string): unknown {
  return (JSON.parse(text) as { code?: unknown }).code
}

reliability(
  'api-body-too-large',
  'at the operator’s door every route that acts refuses 256 KiB and a byte with 413',
  async (fault) => {
    assert.ok(unsafe.length >= 12, unsafe.map(({ path }) => path).join())
    const huge = JSON.stringify({ answers: 'x'.repeat(bodyLimit) })
    let met = 0
    for (const { method, path } of unsafe) {
      for (const chunked of [false, true]) {
        const { status, text } = await call(method, path, huge, chunked)
        assert.deepEqual(
          [status, codeOf(text)],
          [413, 'body-too-large'],
          `${method} ${path} ${chunked ? 'in chunks' : ''}: ${text.slice(0, 200)}`,
        )
        met += 1
      }
    }
    assert.deepEqual(asked, [])
    fault.struck(met)
  },
)

reliability(
  'api-operator-bad-input',
  'at the operator’s door: unknown fields, wrong types, no JSON: 400, nothing begun',
  async (fault) => {
    let met = 0
    for (const { method, path } of unsafe.filter((one) => one.hasBody)) {
      for (const body of ['{"neverHeardOf":1}', '{"answers":1}', '[]', '"text"', 'null', '7', '{', '{"a":', '\u0000']) {
        const { status, text } = await call(method, path, body)
        assert.ok(status >= 400 && status < 500, `${method} ${path} ${body}: ${status} ${text.slice(0, 200)}`)
        assert.equal(typeof codeOf(text), 'string')
        met += 1
      }
    }
    const wrong = JSON.parse((await call('POST', '/v1/setup', '{"answers":1,"more":2}')).text) as {
      errors: { pointer: string }[]
    }
    assert.ok(
      wrong.errors.some(({ pointer }) => pointer === '/answers'),
      JSON.stringify(wrong),
    )
    assert.deepEqual(asked, [])
    fault.struck(met)
  },
)

/** Each call of the guest API that has a body, with a good one. */
const guestCalls = [
  { path: '/guest/v1/report', good: { token: 'a'.repeat(43), hostKeys: ['ssh-ed25519 AAAA'] } },
  { path: '/guest/v1/login-requests', good: { nonce: 'a'.repeat(43), user: 'owner', source: '192.0.2.1' } },
  { path: `/guest/v1/login-requests/${'ab'.repeat(16)}/reply`, good: { reply: 'AAAAAAAA' } },
] as const

reliability(
  'guest-bad-input',
  'at the guests’ door: unknown fields, wrong types, missing fields, no JSON: 4xx, nothing begun',
  async (fault) => {
    let met = 0
    for (const { path, good } of guestCalls) {
      const bodies: unknown[] = [{ ...good, neverHeardOf: 1 }, [], 'text', null, 7, {}]
      for (const name of Object.keys(good)) {
        for (const value of [1.5, true, null, { deep: [] }, [[]], '\u0000', 'x'.repeat(5000)])
          bodies.push({ ...good, [name]: value })
        bodies.push(Object.fromEntries(Object.entries(good).filter(([other]) => other !== name)))
      }
      const raws = [...bodies.map((body) => JSON.stringify(body)), '{', '[1,', '\u0000', '']
      for (const raw of raws) {
        const { status, body } = await guest.call('POST', path, undefined, { raw: Buffer.from(raw) })
        // its own rate is the last answer to somebody who goes on like this
        assert.ok([400, 401, 403, 404, 429].includes(status), `${path} ${raw.slice(0, 80)}: ${status}`)
        assert.equal(typeof body['code'], 'string')
        if (status === 400) met += 1
      }
    }
    assert.deepEqual(asked, [])
    fault.struck(met >= 30)
  },
)

reliability(
  'guest-bad-input',
  'at the guests’ door a body over 16 KiB is 413 at every call, also one that tells no length',
  async (fault) => {
    let met = 0
    for (const { path } of guestCalls) {
      const { status } = await guest.call('POST', path, { token: 'x'.repeat(17_000) })
      assert.ok([413, 429].includes(status), `${path}: ${status}`)
      if (status === 413) met += 1
    }
    const said = await speak(
      `POST /guest/v1/report HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n` +
        `4e20\r\n${'x'.repeat(20_000)}\r\n0\r\n\r\n`,
    )
    assert.match(said.text, /^HTTP\/1\.1 413 /)
    fault.struck(met >= 2)
  },
)

reliability(
  'guest-slow-body',
  'at the guests’ door a body that never ends is ended by a time limit; others are served meanwhile',
  async (fault) => {
    const slow = speak(
      `POST /guest/v1/report HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`,
    )
    const { status } = await guest.call('GET', '/guest/v1/nothing')
    assert.ok(status < 500)
    const { text, milliseconds } = await slow
    assert.match(text, /^HTTP\/1\.1 408 /)
    assert.ok(milliseconds < 20_000, `${milliseconds} ms`)
    fault.struck(milliseconds >= 9000)
  },
  { timeout: 60_000 },
)

reliability('api-slow-body', 'half a request at every route of the operator’s door keeps nobody else waiting', async (fault) => {
  const slow = unsafe.map(() => connect(socketPath))
  await Promise.all(slow.map((socket) => once(socket, 'connect')))
  for (const [i, socket] of slow.entries()) {
    const { method, path } = unsafe[i] ?? assert.fail()
    socket.on('error', () => undefined)
    socket.write(
      `${method} ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{`,
    )
  }
  assert.equal((await call('GET', '/v1/status')).status, 200)
  assert.deepEqual(asked, [], 'nothing begun')
  assert.deepEqual([operator.server.headersTimeout, operator.server.requestTimeout], [15_000, 30_000])
  fault.struck(slow.every((socket) => !socket.destroyed))
  for (const socket of slow) socket.destroy()
})

/** Sends text over a TLS connection of its own, and reads until the other side ends it. */
async function speak(text: string): Promise<{ text: string; milliseconds: number }> {
  const from = performance.now()
  const socket = connectTls({ host: '127.0.0.1', port: guestPort, rejectUnauthorized: false })
  let said = ''
  socket.on('data', (chunk: Buffer) => (said += chunk.toString()))
  socket.on('error', () => undefined)
  const closed = once(socket, 'close')
  await once(socket, 'secureConnect')
  socket.write(text)
  await closed
  return { text: said, milliseconds: performance.now() - from }
}
