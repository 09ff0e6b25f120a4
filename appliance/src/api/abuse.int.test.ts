import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { after, before, test } from 'node:test'
import type { Address } from '../chain/subscription.ts'
import { reliability } from '../dev/reliability.ts'
import { bodyLimit } from './app.ts'
import { apiStand, testOrigin, type Answer, type ApiStand, type TestClient } from './test-stand.ts'
import { holder } from '../sign-in/test-stand.ts'
import { alternatives, filesOf, named, routesOf, rowsOf, slowBody, some, wrong, type Route } from './test-sweep.ts'

let stand: ApiStand
let routes: Route[]
let client: TestClient
/** A fresh address for each call: rates are another test's matter. */
let serial = 0
const anywhere = (): string => `198.18.${((serial += 1) >> 8) & 255}.${serial & 255}`

before(async () => {
  stand = await apiStand()
  await asOperator(stand)
  const { body } = await stand.client().call('GET', '/v1/openapi.json')
  routes = routesOf(body)
  client = await stand.signedIn()
})
after(() => stand.close())

/** The caller holds the operator's pass too: so every route takes its body. */
async function asOperator(one: ApiStand): Promise<void> {
  await one.refresh()
  const operator = holder.address.toLowerCase() as Address
  const contracts = one.facts.contracts.map(({ giving, latest }) => ({
    giving: { ...giving, operator },
    latest: { ...latest, operator },
  }))
  await one.refresh({ contracts })
}

/**
 * What a request may have changed: every row of the books (leases, tasks, transactions, sessions, destroys…), every file (keys),
 * what was asked of VMs, host and chain, open login requests and serial lines.
 */
function world(): string {
  return JSON.stringify([
    rowsOf(stand.store),
    filesOf(dirname(stand.socketPath)),
    stand.performed,
    stand.asked,
    stand.cuts,
    stand.serial.size,
    stand.signIn.requests.size,
  ])
}

async function call(route: Route, options: Parameters<TestClient['call']>[2] = {}, query = ''): Promise<Answer> {
  const headers = { 'x-forwarded-for': anywhere(), ...options.headers }
  return await client.call(route.method, `${route.path}${query}`, { ...options, headers })
}

function refusedAs(answer: Answer, what: string, statuses?: number[]): void {
  assert.ok(answer.status >= 400 && answer.status < 500, `${what}: ${answer.status} ${answer.text.slice(0, 300)}`)
  if (statuses !== undefined)
    assert.ok(statuses.includes(answer.status), `${what}: ${answer.status} ${answer.text.slice(0, 300)}`)
  assert.match(answer.headers['content-type'] ?? '', /^application\/problem\+json/, what)
  assert.equal(typeof answer.body['code'], 'string', what)
  assert.equal(answer.body['status'], answer.status, what)
}

/** The pointers of a refusal, each a JSON pointer. */
function pointersOf({ body }: Answer): string[] {
  const pointers = ((body['errors'] ?? []) as { pointer: string }[]).map((e) => e.pointer)
  assert.ok(
    pointers.every((p) => p === '' || p.startsWith('/')),
    pointers.join(),
  )
  return pointers
}

/**
 * 400 with a JSON pointer to the field that is wrong. Only the body of /v1/rpc is one of several shapes, of
 * which none can be said to be meant: there the whole body is pointed at.
 */
function badInputAt(route: Route, answer: Answer, what: string, field: string): void {
  const title = `${named(route)} with ${what}`
  refusedAs(answer, title, [400])
  assert.equal(answer.body['code'], 'bad-input', title)
  const pointers = pointersOf(answer)
  const wanted = (pointer: string): boolean => {
    if (route.template === '/v1/rpc') return pointer === '' || pointer === `/${field}`
    return pointer === `/${field}` || pointer.startsWith(`/${field}/`)
  }
  assert.ok(pointers.some(wanted), `${title}: ${answer.text.slice(0, 300)}`)
}

const withBody = (): Route[] => routes.filter((r) => r.body !== undefined)

test('the served document names routes, with and without bodies: an empty one would test nothing', () => {
  assert.ok(routes.length >= 20, `${routes.length} routes`)
  assert.ok(withBody().length >= 6, withBody().map(named).join())
})

reliability(
  'api-bad-input',
  'unknown fields, wrong types, missing fields at every route with a body: 400 with pointers, nothing changed',
  async (fault) => {
    let met = 0
    for (const route of withBody()) {
      for (const schema of alternatives(route.body ?? {})) {
        if (schema.type !== 'object') continue
        const before = world()
        const good = some(schema) as Record<string, unknown>
        badInputAt(route, await call(route, { body: { ...good, neverHeardOf: 1 } }), 'an unknown field', 'neverHeardOf')
        met += 1
        for (const [name, field] of Object.entries(schema.properties ?? {})) {
          const value = wrong(field)
          if (value === undefined) continue
          badInputAt(route, await call(route, { body: { ...good, [name]: value } }), `${name} of a wrong type`, name)
          met += 1
        }
        for (const name of schema.required ?? []) {
          const { [name]: _, ...rest } = good
          badInputAt(route, await call(route, { body: rest }), `no ${name}`, name)
          met += 1
        }
        assert.equal(world(), before, named(route))
      }
    }
    assert.ok(met >= 20, `${met} requests`)
    fault.struck(met)
  },
)

reliability(
  'api-bad-body',
  'no JSON, another content type, too large: 4xx at every route with a body, nothing changed',
  async (fault) => {
    let met = 0
    const before = world()
    for (const route of withBody()) {
      for (const raw of ['{', '{"a":', 'text', '"', '\u0000', '[1,']) {
        refusedAs(await call(route, { raw }), `${named(route)} with ${JSON.stringify(raw)}`)
        met += 1
      }
      refusedAs(await call(route, { raw: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } }), named(route))
      refusedAs(await call(route, { raw: '<a/>', headers: { 'content-type': 'text/xml' } }), named(route))
      const huge = await call(route, { raw: JSON.stringify({ a: 'x'.repeat(bodyLimit) }) })
      // a route that is not this caller's refuses before it reads
      refusedAs(huge, `${named(route)} with a huge body`, [413, 401, 403, 404])
      if (huge.status === 413) met += 1
    }
    assert.equal(world(), before)
    fault.struck(met)
  },
)

reliability(
  'api-bad-query',
  'unknown and ill-typed parameters at every route: 4xx or the plain answer, never a 500',
  async (fault) => {
    let met = 0
    for (const route of routes.filter((r) => r.method === 'GET')) {
      for (const query of [
        '?neverHeardOf=1',
        '?limit=-1',
        '?limit=x',
        '?cursor=%00',
        '?planId=1e99',
        '?seconds=%7B%7D',
        '?a[b]=1',
      ]) {
        // answers that never end are not asked for here
        if (/events|console/.test(route.template)) continue
        const { status, text } = await call(route, {}, query)
        assert.ok(status < 500, `${named(route)}${query}: ${status} ${text.slice(0, 200)}`)
        met += 1
      }
      for (const bad of ['%00', '%2e%2e%2f', 'x'.repeat(150), "'--"]) {
        if (!route.template.includes('{') || /events|console/.test(route.template)) continue
        const path = route.template.replace(/\{\w+\}/g, bad)
        const answer = await client.call('GET', path, { headers: { 'x-forwarded-for': anywhere() } })
        assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status} ${answer.text.slice(0, 200)}`)
        met += 1
      }
    }
    fault.struck(met)
  },
)

reliability('api-wrong-origin', 'another origin at every unsafe route: 403, nothing changed', async (fault) => {
  const before = world()
  const unsafe = routes.filter((r) => r.method !== 'GET')
  for (const route of unsafe) {
    for (const origin of ['https://evil.example', 'null', `${testOrigin}.evil.example`, 'http://localhost:8081']) {
      const answer = await call(route, { ...(route.body && { body: some(route.body) }), headers: { origin } })
      refusedAs(answer, `${named(route)} from ${origin}`, [403])
      assert.equal(answer.body['code'], 'wrong-origin')
    }
  }
  assert.equal(world(), before)
  fault.struck(unsafe.length)
})

reliability('api-wrong-host', 'another host name at every route: 421, nothing changed', async (fault) => {
  const before = world()
  for (const route of routes) {
    for (const host of ['evil.example', 'localhost', '127.0.0.1:8080', 'localhost:8080.evil.example']) {
      const answer = await call(route, { ...(route.body && { body: some(route.body) }), headers: { host } })
      refusedAs(answer, `${named(route)} as ${host}`, [421])
    }
  }
  assert.equal(world(), before)
  fault.struck(routes.length)
})

reliability(
  'api-slow-body',
  'at every route that acts a body that never ends: all others are served meanwhile, at 50 connections, and nothing begins',
  async (fault) => {
    const before = world()
    const acting = routes.filter((r) => r.method !== 'GET')
    const slow = await Promise.all(acting.map((route) => slowBody(slowly(stand, client), route)))
    try {
      const answers = await Promise.all(
        Array.from({ length: 50 }, async () => {
          const one: number[] = []
          for (let i = 0; i < 5; i += 1) {
            one.push((await client.call('GET', '/v1/vms', { headers: { 'x-forwarded-for': anywhere() } })).status)
          }
          return one
        }),
      )
      assert.deepEqual(new Set(answers.flat()), new Set([200]))
      assert.equal(world(), before)
      // who may not call it is told so before his body is read; the others wait
      fault.struck(slow.filter((one) => one.said() === '').length > 5)
    } finally {
      for (const one of slow) one.end()
    }
  },
)

reliability(
  'api-slow-body',
  'a body that never ends is ended by a time limit, at every route that acts',
  async (fault) => {
    const short = await apiStand()
    try {
      await asOperator(short)
      // the limit is Node's own, checked every so often: here it is made short, in the product it is what app.ts says
      assert.deepEqual([short.app.server.headersTimeout, short.app.server.requestTimeout], [15_000, 30_000])
      const person = await short.signedIn()
      short.app.server.headersTimeout = 100
      short.app.server.requestTimeout = 200
      const acting = routes.filter((r) => r.method !== 'GET')
      const slow = await Promise.all(acting.map((route) => slowBody(slowly(short, person), route)))
      await Promise.all(slow.map((one) => one.closed))
      for (const [i, one] of slow.entries()) {
        const route = acting[i]
        assert.match(one.said(), /^HTTP\/1\.1 (408|401|403|404|405) /, route === undefined ? '' : named(route))
      }
      fault.struck(slow.filter((one) => one.said().startsWith('HTTP/1.1 408 ')).length > 5)
    } finally {
      await short.close()
    }
  },
  { timeout: 120_000 },
)

/** How this person's requests reach the stand, each from another place. */
function slowly({ socketPath }: ApiStand, person: TestClient): Parameters<typeof slowBody>[0] {
  const cookie = [...person.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const headers = { origin: testOrigin, 'x-forwarded-for': anywhere(), 'idempotency-key': `slow-${(serial += 1)}`, cookie }
  return { socketPath, host: new URL(testOrigin).host, headers }
}
