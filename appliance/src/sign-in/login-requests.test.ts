import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { MovableClock } from '../clock/clock.ts'
import type { LoginRequest, NewLoginRequest } from './login-request.ts'
import { createLoginRequests, defaultCaps, requestSeconds } from './login-requests.ts'
import { testInstallation } from './test-stand.ts'

const vm = { vmId: `${testInstallation}-42`, installation: testInstallation, contract: '0x', tokenId: 42n, generation: 1 }
const shell: NewLoginRequest = {
  act: 'shell',
  vm,
  hostKey: 'SHA256:x',
  user: 'owner',
  source: '203.0.113.7',
  behindLoopbackForward: false,
  nonce: 'ab'.repeat(16),
  asker: { kind: 'guest', mark: `freehold:${testInstallation}/42/1` },
}
const session: NewLoginRequest = { ...shell, act: 'session', vm: null, asker: { kind: 'browser', cookieHash: 'x' } }

function make(caps = { perSource: 3, perVm: 5, inAll: 8 }) {
  const clock = new MovableClock()
  const ended: LoginRequest[] = []
  const requests = createLoginRequests({
    clock,
    origin: 'https://host.example',
    chainId: 1,
    caps,
    onOutcome: (r) => ended.push(r),
  })
  return { clock, ended, requests }
}

suite('open requests', () => {
  test('A9 expired after 300 s, forgotten after 600 s', () => {
    const { clock, requests, ended } = make()
    const request = requests.create(shell)
    clock.advance(requestSeconds - 1)
    assert.equal(requests.byCode(request.code)?.state.kind, 'waiting')
    clock.advance(1)
    assert.equal(requests.byCode(request.code)?.state.kind, 'expired')
    assert.deepEqual(ended, [request])
    clock.advance(requestSeconds)
    assert.equal(requests.byCode(request.code), undefined)
    assert.equal(requests.size, 0)
  })

  test('P8 the oldest that nobody opened makes room within its own source', () => {
    const { requests } = make()
    const [first, second] = [requests.create(shell), requests.create(shell), requests.create(shell)]
    if (first !== undefined) first.opened = true
    requests.create(shell)
    assert.equal(first?.state.kind, 'waiting')
    assert.equal(second?.state.kind, 'denied')
  })

  test('P8 refuses when all of them are open on a page', () => {
    const { requests } = make()
    for (let i = 0; i < 3; i += 1) requests.create(shell).opened = true
    assert.throws(() => requests.create(shell), { code: 'too-many-requests' })
    assert.ok(requests.create({ ...shell, source: '198.51.100.1' }))
  })

  test('200 sign-ins at one VM from 25 addresses wait at once', () => {
    const { requests } = make(defaultCaps)
    const crowd = Array.from({ length: 200 }, (_, i) => requests.create({ ...shell, source: `198.51.100.${i % 25}` }))
    assert.equal(crowd.filter((r) => r.state.kind === 'waiting').length, 200)
    for (const { code, requestId } of crowd) assert.equal(requests.byCode(code)?.requestId, requestId)
  })

  test('behind user networking everybody has one address: the VM alone is counted there', () => {
    const { requests } = make()
    const embedded = { ...shell, source: '10.0.2.2', behindLoopbackForward: true }
    const crowd = Array.from({ length: 5 }, () => requests.create(embedded))
    assert.ok(crowd.every((r) => r.state.kind === 'waiting'))
    requests.create(embedded)
    assert.deepEqual(
      crowd.map((r) => r.state.kind),
      ['denied', 'waiting', 'waiting', 'waiting', 'waiting'],
    )
  })

  test('a guest that names the address of others takes no room of theirs', () => {
    const { requests } = make()
    const web = requests.create(session)
    const elsewhere = requests.create({
      ...shell,
      vm: { ...vm, vmId: `${testInstallation}-43`, tokenId: 43n },
      asker: { kind: 'guest', mark: `freehold:${testInstallation}/43/1` },
    })
    for (let i = 0; i < 20; i += 1) requests.create({ ...shell, source: `203.0.113.${i}` })
    assert.equal(web.state.kind, 'waiting')
    assert.equal(elsewhere.state.kind, 'waiting')
  })

  test('browsers never push out what guests asked for', () => {
    const { requests } = make()
    const guest = requests.create(shell)
    for (let i = 0; i < 50; i += 1) requests.create({ ...session, source: `198.51.100.${i}` })
    assert.equal(guest.state.kind, 'waiting')
  })

  test('P8 what is kept is bounded, however many ask: the oldest that ended are forgotten first', () => {
    const { requests } = make({ perSource: 20, perVm: 400, inAll: 100 })
    const guest = requests.create(shell)
    const crowd = Array.from({ length: 3000 }, (_, i) => requests.create({ ...session, source: `2001:db8:${i.toString(16)}::1` }))
    assert.ok(requests.size <= 201, `${requests.size} are kept`)
    const newest = crowd.slice(-100)
    assert.ok(newest.every((r) => r.state.kind === 'waiting' && requests.byCode(r.code) === r))
    const [evicted, forgotten] = [crowd.at(-101), crowd[0]]
    assert.equal(evicted?.state.kind, 'denied')
    assert.equal(requests.byId(evicted?.requestId ?? ''), evicted, 'its page can still say how it ended')
    assert.equal(requests.byId(forgotten?.requestId ?? ''), undefined)
    assert.equal(requests.byCode(forgotten?.code ?? ''), undefined)
    assert.equal(requests.byId(guest.requestId), guest, 'strangers in browsers push out nothing of guests')
  })

  test('P8 what has been forgotten wakes who waits for it, ends once and stays forgotten', async () => {
    const { requests, ended } = make({ perSource: 20, perVm: 400, inAll: 1 })
    const first = requests.create(session)
    const waits = requests.settled(first, 25_000)
    for (let i = 0; i < 3; i += 1) requests.create({ ...session, source: `198.51.100.${i}` })
    await waits
    requests.deny(first, { code: 'refused', text: 'no' })
    assert.equal(requests.byId(first.requestId), undefined)
    assert.ok(requests.size <= 2, `${requests.size} are kept`)
    assert.equal(ended.filter((r) => r === first).length, 1)
  })

  test('10,000 more requests take no longer than the first 10,000', () => {
    const { requests } = make({ perSource: 20, perVm: 400, inAll: 10_000 })
    const tenThousand = (round: number): number => {
      const from = performance.now()
      for (let i = 0; i < 10_000; i += 1)
        requests.create({ ...session, source: `2001:db8:${round.toString(16)}:${i.toString(16)}::1` })
      return performance.now() - from
    }
    const [first, , third] = [1, 2, 3].map(tenThousand)
    assert.ok((third ?? Infinity) < 10 * Math.max(first ?? 0, 100), `${first} ms, then ${third} ms`)
  })

  test('a wait ends with the decision, with the request, with its own time', async () => {
    const { requests, clock } = make()
    const request = requests.create(shell)
    const decided = requests.settled(request, 25_000)
    requests.deny(request, { code: 'refused', text: 'no' })
    await decided
    const other = requests.create({ ...shell, source: '198.51.100.2' })
    await requests.settled(other, 5)
    assert.equal(other.state.kind, 'waiting')
    clock.advance(requestSeconds)
    await requests.settled(other, 25_000)
    assert.equal(other.state.kind, 'expired')
  })

  test('times in texts are whole seconds and 300 s apart', () => {
    const { issuedAt, expiresAt } = make().requests.create(shell)
    assert.match(issuedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    assert.equal((Date.parse(expiresAt) - Date.parse(issuedAt)) / 1000, requestSeconds)
  })
})
