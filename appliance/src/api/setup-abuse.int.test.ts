import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { reliability } from '../dev/reliability.ts'
import { openStore, type Store } from '../store/store.ts'
import { bodyLimit } from './app.ts'
import { openSetupDoor, type SetupDoorServer } from './setup-door.ts'
import { apiStand, type ApiStand } from './test-stand.ts'
import { alternatives, filesOf, named, routesOf, rowsOf, slowBody, some, wrong, type Route } from './test-sweep.ts'

// The wizard's door: the only one of a host that is not set up, with the same sweeps as the others.
let stand: ApiStand
let store: Store
let folder: string
let socketPath: string
let door: SetupDoorServer
let cookie = ''
let routes: Route[]
/** What setup was asked for. */
const begun: string[] = []

before(async () => {
  stand = await apiStand()
  folder = await mkdtemp(join(tmpdir(), 'fh-setup-door-'))
  socketPath = join(folder, 'api.sock')
  await mkdir(join(folder, 'state/run'), { recursive: true })
  store = await openStore(':memory:', { clock: stand.clock })
  door = await openSetupDoor({
    stateFolder: join(folder, 'state'),
    clock: stand.clock,
    store,
    setup: {
      begin: () => (begun.push('setup'), Promise.reject(new Error('nothing is set up here'))),
      undo: () => (begun.push('undo'), Promise.reject(new Error('nothing is set up here'))),
      resume: () => Promise.resolve(),
    },
    base: {},
    version: '0.1.0',
    ports: { ...stand.apiPorts, store },
  })
  await door.app.listen({ path: socketPath })
  const { text } = await call({ method: 'GET', path: '/v1/openapi.json' })
  routes = routesOf(JSON.parse(text) as Record<string, unknown>).filter(({ template }) => template.startsWith('/v1/setup/'))
  const entered = await call({ method: 'POST', path: '/v1/setup/entry' }, { body: { code: door.code.shown().code } })
  assert.equal(entered.status, 200, entered.text)
  cookie = entered.cookie
})
after(async () => {
  await door?.end()
  await store?.close()
  await stand?.close()
  await rm(folder, { recursive: true, force: true })
})

interface Said {
  status: number
  text: string
  cookie: string
  body: Record<string, unknown>
}

let serial = 0
function call(
  { method, path }: Pick<Route, 'method' | 'path'>,
  options: { body?: unknown; raw?: string; headers?: Record<string, string> } = {},
): Promise<Said> {
  const { promise, resolve, reject } = Promise.withResolvers<Said>()
  const payload = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body))
  const headers = {
    ...theirs(),
    ...(payload !== undefined && { 'content-length': String(Buffer.byteLength(payload)) }),
    ...options.headers,
  }
  const request = httpRequest({ socketPath, method, path, headers, agent: false }, (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (part: string) => (text += part))
    response.on('end', () => {
      const json = /json\b/.test(response.headers['content-type'] ?? '') && text !== ''
      const body = json ? (JSON.parse(text) as Record<string, unknown>) : {}
      resolve({ status: response.statusCode ?? 0, text, cookie: response.headers['set-cookie']?.[0]?.split(';')[0] ?? '', body })
    })
  })
  // the server answers and hangs up while the body is still being sent
  request.on('error', (error: NodeJS.ErrnoException) => (error.code === 'EPIPE' ? undefined : reject(error)))
  request.end(payload)
  return promise
}

function theirs(): Record<string, string> {
  return {
    host: 'localhost',
    origin: 'http://localhost',
    'x-forwarded-for': `198.19.${((serial += 1) >> 8) & 255}.${serial & 255}`,
    'idempotency-key': `setup-key-${serial}`,
    'content-type': 'application/json',
    ...(cookie !== '' && { cookie }),
  }
}

/** What a request may have changed: every row of the books, every file (code, keys, answers), what was begun. */
function world(): string {
  return JSON.stringify([rowsOf(store), filesOf(join(folder, 'state')), begun, door.code.shown()])
}

function refusedAs({ status, text, body }: Said, what: string, statuses: number[]): void {
  assert.ok(statuses.includes(status), `${what}: ${status} ${text.slice(0, 300)}`)
  assert.equal(typeof body['code'], 'string', what)
}

const acting = (): Route[] => routes.filter(({ method }) => method !== 'GET')

reliability(
  'setup-bad-input',
  'the wizard’s door: nobody without the code is let in anywhere, nothing changed',
  async (fault) => {
    assert.ok(routes.length >= 10, routes.map(named).join())
    const before = world()
    let met = 0
    for (const route of routes.filter(({ template }) => template !== '/v1/setup/entry')) {
      for (const theirCookie of ['', '__Host-freehold-setup=x', `${cookie.slice(0, -3)}abc`]) {
        refusedAs(
          await call(route, { ...(route.body && { body: some(route.body) }), headers: { cookie: theirCookie } }),
          named(route),
          [401],
        )
        met += 1
      }
    }
    // and the doors of a host that is set up are not here
    for (const path of ['/v1/vms', '/v1/money', '/v1/setup'])
      refusedAs(await call({ method: 'GET', path }), path, [401, 403, 404])
    assert.equal(world(), before)
    fault.struck(met)
  },
)

reliability(
  'setup-bad-input',
  'the wizard’s door: unknown fields, wrong types, missing fields, no JSON, too much: 4xx with pointers, nothing changed',
  async (fault) => {
    let met = 0
    for (const route of acting()) {
      const before = world()
      for (const schema of alternatives(route.body ?? {})) {
        if (schema.type !== 'object') continue
        const good = some(schema) as Record<string, unknown>
        const bad: [string, unknown][] = [['neverHeardOf', { ...good, neverHeardOf: 1 }]]
        for (const [name, field] of Object.entries(schema.properties ?? {})) bad.push([name, { ...good, [name]: wrong(field) }])
        for (const name of schema.required ?? []) {
          const { [name]: _, ...rest } = good
          bad.push([name, rest])
        }
        for (const [field, body] of bad) {
          const answer = await call(route, { body })
          refusedAs(answer, `${named(route)} ${JSON.stringify(body)}`, [400])
          const pointers = ((answer.body['errors'] ?? []) as { pointer: string }[]).map(({ pointer }) => pointer)
          assert.ok(
            pointers.some((one) => one === `/${field}` || one.startsWith(`/${field}/`)),
            `${named(route)}: ${answer.text}`,
          )
          met += 1
        }
      }
      for (const raw of ['{', '[1,', '"', '\u0000']) refusedAs(await call(route, { raw }), `${named(route)} ${raw}`, [400])
      refusedAs(await call(route, { raw: JSON.stringify({ a: 'x'.repeat(bodyLimit) }) }), `${named(route)}, huge`, [413])
      met += 5
      assert.equal(world(), before, named(route))
    }
    fault.struck(met > 40 && met)
  },
)

reliability('setup-bad-input', 'the wizard’s door: another host name 421, another origin 403, nothing changed', async (fault) => {
  const before = world()
  let met = 0
  for (const route of routes) {
    const body = route.body && { body: some(route.body) }
    for (const host of ['evil.example', 'localhost.evil.example', '203.0.113.99']) {
      refusedAs(await call(route, { ...body, headers: { host } }), `${named(route)} as ${host}`, [421])
      met += 1
    }
    if (route.method === 'GET') continue
    for (const origin of ['https://evil.example', 'null', 'http://localhost.evil.example']) {
      refusedAs(await call(route, { ...body, headers: { origin } }), `${named(route)} from ${origin}`, [403])
      met += 1
    }
  }
  assert.equal(world(), before)
  fault.struck(met)
})

reliability(
  'setup-slow-body',
  'the wizard’s door: at every route that acts a body that never ends keeps nobody waiting, and is ended by a time limit',
  async (fault) => {
    const before = world()
    const { server } = door.app
    assert.deepEqual([server.headersTimeout, server.requestTimeout], [15_000, 30_000])
    ;[server.headersTimeout, server.requestTimeout] = [100, 200]
    const slow = await Promise.all(acting().map((route) => slowBody({ socketPath, host: 'localhost', headers: theirs() }, route)))
    assert.equal((await call({ method: 'GET', path: '/v1/setup/wizard' })).status, 200)
    await Promise.all(slow.map((one) => one.closed))
    for (const one of slow) assert.match(one.said(), /^HTTP\/1\.1 408 /)
    ;[server.headersTimeout, server.requestTimeout] = [15_000, 30_000]
    assert.equal(world(), before)
    fault.struck(slow.length)
  },
  { timeout: 120_000 },
)
