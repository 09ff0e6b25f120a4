import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import getPort from 'get-port'
import { startTestChain, type TestChain } from '@freehold/appliance/chain/test-chain'
import { systemClock } from '@freehold/appliance/clock/clock'
import { startDaemon, type Daemon } from '@freehold/appliance/main'
import { openStand, type Stand } from '../pve/stand.ts'

interface Answer {
  status: number
  body: Record<string, unknown> & { code?: string; detail?: string; errors?: { pointer: string }[] }
}
interface Line {
  what: string
  done: boolean
}
interface Check {
  name: string
  state: string
  code: string | null
  detail: string | null
  values: Record<string, unknown>
}

// The pages of storage, enrolment and a host that comes back, at the real door of a host that nobody has set up.
suite('what a page asks the world about', () => {
  let folder: string
  let daemon: Daemon
  let stand: Stand
  let chain: TestChain
  let cookie = ''

  before(async () => {
    chain = await startTestChain('0x00000000000000000000000000000000000000b1')
    stand = await openStand()
    folder = await mkdtemp('/tmp/fh-pages-')
    const login = `127.0.0.1:${await getPort({ host: '127.0.0.1' })}`
    daemon = await startDaemon({ stateFolder: folder, clock: systemClock, wizard: { mode: 'embedded', listen: { login } } })
    const { code } = JSON.parse(await readFile(join(folder, 'run/setup-code'), 'utf8')) as { code: string }
    assert.equal((await call('POST', '/v1/setup/entry', { code })).body['entered'], true)
  })
  after(async () => {
    await daemon?.stop()
    await stand?.close()
    await chain?.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function call(method: string, path: string, body?: unknown, own = cookie): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const headers: Record<string, string> = { host: 'localhost:8080', ...(own !== '' && { cookie: own }) }
    if (method !== 'GET') Object.assign(headers, { origin: 'http://localhost:8080', 'idempotency-key': randomUUID() })
    if (body !== undefined) headers['content-type'] = 'application/json'
    const sent = httpRequest({ socketPath: join(folder, 'run/api.sock'), method, path, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => {
        cookie ||= response.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
        resolve({ status: response.statusCode ?? 0, body: text === '' ? {} : (JSON.parse(text) as Answer['body']) })
      })
    })
    sent.on('error', reject)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
    return await promise
  }
  const hypervisor = (more: Record<string, unknown> = {}) => ({
    kind: 'proxmox',
    nodes: [{ url: `https://127.0.0.1:${stand.servers.get('pve1')?.port}`, name: 'pve1' }],
    authorityFile: join(folder, 'pve-authority'),
    tokenFile: '',
    diskStorage: 'local',
    ...more,
  })
  const request = (more: Record<string, unknown> = {}) => ({
    hypervisor: hypervisor(),
    privilegedToken: `${stand.rootToken.id}=${stand.rootToken.secret}`,
    operatorNetworks: ['192.0.2.0/24'],
    ...more,
  })
  const writesFrom = (from: number) => stand.log.slice(from).filter((asked) => asked.verb !== 'GET')
  async function checks(section: string, value: unknown): Promise<Check[]> {
    const answer = await call('POST', `/v1/setup/checks/${section}`, { value })
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    return answer.body['checks'] as Check[]
  }
  const named = (list: Check[], name: string): Check | undefined => list.find((one) => one.name === name)

  test('denies strangers, a token that is none, one that is wrong, and a kind that nobody enrols with', async () => {
    await writeFile(join(folder, 'pve-authority'), stand.authority.pem)
    const from = stand.log.length
    for (const path of ['/v1/setup/enrolment/plan', '/v1/setup/enrolment']) {
      assert.equal((await call('POST', path, request(), '__none=1')).status, 401)
      const none = await call('POST', path, request({ privilegedToken: 'root' }))
      assert.deepEqual([none.status, none.body.code], [400, 'bad-input'])
      const other = await call('POST', path, request({ hypervisor: { kind: 'libvirt' } }))
      assert.deepEqual([other.status, other.body.code], [400, 'bad-input'])
    }
    assert.equal(stand.log.length, from, 'the server was asked nothing')
    const wrong = await call(
      'POST',
      '/v1/setup/enrolment/plan',
      request({ privilegedToken: `${stand.rootToken.id}=${randomUUID()}` }),
    )
    assert.ok(wrong.status >= 400 && !JSON.stringify(wrong.body).includes(stand.rootToken.secret), JSON.stringify(wrong.body))
    assert.equal((await call('GET', '/v1/setup/storages', undefined, '__none=1')).status, 401)
  })

  test('W9 enrolment: the plan changes nothing and lists storages; then it is done once, and the credential is kept nowhere', async () => {
    const from = stand.log.length
    const plan = await call('POST', '/v1/setup/enrolment/plan', request())
    assert.equal(plan.status, 200, JSON.stringify(plan.body))
    assert.deepEqual(writesFrom(from), [], 'looking changed something')
    const steps = plan.body['steps'] as Line[]
    assert.ok(steps.length > 5 && steps.some((step) => !step.done && /role FreeholdVM/.test(step.what)))
    const storages = plan.body['storages'] as { place: string; totalBytes: number; freeBytes: number; refused: string | null }[]
    const local = storages.find((one) => one.place === 'local')
    assert.ok(local !== undefined && local.totalBytes > 0 && local.freeBytes > 0, JSON.stringify(storages))
    const enrolled = await call('POST', '/v1/setup/enrolment', request())
    assert.equal(enrolled.status, 200, JSON.stringify(enrolled.body))
    assert.ok((enrolled.body['steps'] as Line[]).every((step) => step.done))
    const tokenFile = enrolled.body['tokenFile'] as string
    assert.equal(tokenFile, join(folder, 'secrets/proxmox-token'), 'the host says where, whatever a browser asks for')
    assert.equal(statSync(tokenFile).mode & 0o777, 0o600)
    assert.equal(stand.world.clusterFirewall.options['enable'], 1)
    // nowhere on this host, whatever the file is called; nor is the new secret told to the page
    const secret = readFileSync(tokenFile, 'utf8').trim()
    assert.ok(!JSON.stringify([plan.body, enrolled.body]).includes(secret))
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((file) => file.isFile())
    assert.ok(files.length > 4)
    for (const file of files) {
      const content = readFileSync(join(file.parentPath, file.name), 'latin1')
      assert.ok(!content.includes(stand.rootToken.secret), `${file.name} has the credential`)
    }
    // the page goes on with the token of few rights
    const answers = await checks('hypervisor', { hypervisor: hypervisor({ tokenFile }) })
    assert.equal(named(answers, 'hypervisor-answers')?.state, 'passed', JSON.stringify(answers))
  })

  test('storage: disks with room and contents; the one that holds the host’s own state is named as such', async () => {
    const { body } = await call('GET', '/v1/setup/storages')
    const places = body['places'] as {
      place: string
      totalBytes: number
      freeBytes: number
      holds: string[]
      refused: string | null
    }[]
    assert.ok(places.length > 0)
    for (const one of places) assert.ok(one.totalBytes >= one.freeBytes && one.place.startsWith('/'), JSON.stringify(one))
    const own = statSync(folder).dev
    const shared = places.filter((one) => one.refused === 'shared-with-state')
    assert.ok(shared.length <= 1)
    assert.equal(new Set(places.map((one) => one.place)).size, places.length)
    const list = await checks('hypervisor', { hypervisor: { kind: 'libvirt', folder: join(folder, 'disks/there') } })
    assert.equal(named(list, 'storage-apart')?.state, 'warned', `on device ${own}`)
    if (existsSync('/dev/shm') && statSync('/dev/shm').dev !== own) {
      const apart = await checks('hypervisor', { hypervisor: { kind: 'libvirt', folder: '/dev/shm/freehold' } })
      assert.equal(named(apart, 'storage-apart')?.state, 'passed')
    }
  })

  test('a host that comes back: what is no contract of ours is refused; what is missing is said', async () => {
    const rpc = { chain: { chainId: 31_337, rpcUrls: [chain.url], confirmations: 1 }, publicChain: true }
    assert.equal((await call('PUT', '/v1/setup/answers/chain', { revision: 0, value: rpc })).status, 200)
    const nobody = await checks('existing', {
      contracts: [{ address: '0x00000000000000000000000000000000000000dd', fromBlock: 0 }],
    })
    assert.deepEqual(
      [named(nobody, 'existing-contract')?.state, named(nobody, 'existing-contract')?.code],
      ['failed', 'contract-missing'],
    )
    await chain.buy(chain.alice)
    const value = { contracts: [{ address: chain.contract, fromBlock: 0 }] }
    const list = await checks('existing', value)
    assert.deepEqual(
      [named(list, 'existing-contract')?.state, named(list, 'existing-contract')?.values],
      ['passed', { subscriptions: 1 }],
    )
    const roles = named(list, 'existing-roles')
    assert.equal(roles?.state, 'warned')
    assert.match(roles?.detail ?? '', /signs setProvisioner/)
    assert.match(named(list, 'existing-secrets')?.detail ?? '', /secrets\/sign-in\/master/)
    // a new host needs no such answer, and changing one's mind is no harm
    const view = await call('GET', '/v1/setup/wizard')
    const section = (view.body['sections'] as { name: string; state: string; revision: number }[]).find(
      (one) => one.name === 'existing',
    )
    assert.deepEqual([section?.state, section?.revision], ['answered', 0])
    assert.equal((await call('PUT', '/v1/setup/answers/existing', { revision: 0, value })).status, 200)
    assert.equal((await call('PUT', '/v1/setup/answers/existing', { revision: 1, value: { contracts: [] } })).status, 200)
  })
})
