import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { Wallet } from 'ethers'
import { holder, testInstallation } from '../sign-in/test-stand.ts'
import type { StoredChainEvent } from '../store/history.ts'
import { zeroAddress, type Address } from '../chain/subscription.ts'
import type { VmRecord } from '../hypervisor/port.ts'
import { Rates } from './rates.ts'
import { rentalsSchema } from './schemas/operator.ts'
import { apiStand, type ApiStand, type TestClient } from './test-stand.ts'

const hash = (n: number) => `0x${n.toString(16).padStart(64, '0')}`
const wallet = Wallet.createRandom()
const operatorRoutes = [
  '/v1/overview',
  '/v1/host',
  '/v1/money',
  '/v1/money/entries',
  '/v1/alerts',
  '/v1/audit/export',
  '/v1/issues',
]

suite('the operator’s routes', () => {
  let stand: ApiStand
  let operator: TestClient
  let subscriber: TestClient
  const vmId = `${testInstallation}-42`

  /** The facts of the stand, with pass 0 in the hands of our operator. */
  async function refresh(depths: { giving: Address; latest: Address }) {
    await stand.refresh()
    const [first] = stand.facts.contracts
    assert.ok(first)
    await stand.refresh({
      contracts: [{ giving: { ...first.giving, operator: depths.giving }, latest: { ...first.latest, operator: depths.latest } }],
    })
  }
  const mine = wallet.address.toLowerCase() as Address

  before(async () => {
    stand = await apiStand()
    await refresh({ giving: mine, latest: mine })
    operator = await stand.signedIn(wallet as unknown as Wallet)
    subscriber = await stand.signedIn(holder)
    const event = (name: string, block: number, args: Record<string, unknown>, tokenId: bigint | null): StoredChainEvent => ({
      installation: testInstallation,
      blockNumber: block,
      logIndex: 0,
      blockHash: hash(block),
      name,
      tokenId,
      args,
      transactionHash: hash(1000 + block),
    })
    await stand.store.history.replaceRange(testInstallation, 0, 100, [
      event('Bought', 1, { tokenId: 42n, token: zeroAddress, paid: 3000n }, 42n),
      event('Extended', 2, { tokenId: 42n, paid: 500n }, 42n),
      event('OpenSet', 3, { planId: 0n }, null),
      event('Settled', 4, { tokenId: 42n, token: zeroAddress, amount: 700n }, 42n),
      event('Collected', 5, { token: zeroAddress, amount: 600n }, null),
    ])
  })
  after(() => stand.close())

  test('O1 O2 denies every one of them to a subscriber and to a stranger', async () => {
    for (const path of operatorRoutes) {
      assert.equal((await subscriber.call('GET', path)).status, 403, path)
      assert.equal((await stand.client().call('GET', path)).status, 401, path)
    }
    for (const [method, path, body] of [
      ['POST', '/v1/host/provisioner-key', {}],
      ['PUT', '/v1/alerts', { channels: [] }],
      ['POST', '/v1/alerts/mail/test', {}],
      ['POST', '/v1/issues/destroys-waiting/fixes', { subjects: [vmId] }],
    ] as const) {
      assert.equal((await subscriber.call(method, path, { body })).status, 403, path)
    }
    assert.equal((await stand.client().call('GET', `/v1/vms/${vmId}/metrics`)).status, 401)
  })

  test('O2 denies whoever holds the operator’s pass at one depth only', async () => {
    for (const depths of [
      { giving: zeroAddress, latest: mine },
      { giving: mine, latest: zeroAddress },
    ]) {
      await refresh(depths)
      assert.equal((await operator.call('GET', '/v1/overview')).status, 403)
    }
    await refresh({ giving: mine, latest: mine })
  })

  test('L14 the console follows pass 0 and nothing else: its former holder is out at once, the owner of the contract never in; both are told', async () => {
    const [first] = stand.facts.contracts
    assert.ok(first && first.giving.owner !== mine, 'the owner of the contract is another wallet')
    const next = holder.address.toLowerCase() as Address
    assert.equal((await operator.call('GET', '/v1/host')).body['owner'], first.giving.owner)
    await refresh({ giving: next, latest: next })
    assert.equal((await operator.call('GET', '/v1/overview')).status, 403, 'the session stands, the right is gone')
    const told = await subscriber.call('GET', '/v1/host')
    assert.deepEqual([told.status, told.body['owner']], [200, first.giving.owner], 'the contract is governed as before')
    // the contract changes hands: its new owner is told, and the console asks for pass 0 as before
    await stand.refresh({
      contracts: [
        { giving: { ...first.giving, owner: mine, operator: next }, latest: { ...first.latest, owner: mine, operator: next } },
      ],
    })
    assert.equal((await operator.call('GET', '/v1/overview')).status, 403, 'who owns the contract holds no pass 0')
    assert.equal((await subscriber.call('GET', '/v1/host')).body['owner'], mine)
    await refresh({ giving: mine, latest: mine })
    assert.equal((await operator.call('GET', '/v1/overview')).status, 200)
  })

  test('O2 the overview says what is wrong, who rents what, and what ends soon', async () => {
    stand.standing.push({
      code: 'rpc-stale',
      subject: 'host',
      severity: 'high',
      title: 't',
      effect: 'e',
      remedy: 'r',
      since: 0,
    })
    await stand.store.tasks.put({
      taskId: 'failed-1',
      kind: 'create',
      subject: vmId,
      state: 'failed',
      steps: [],
      error: { code: 'storage-full', title: 't', detail: 'd', hint: 'h' },
      attempt: 1,
      createdAt: stand.clock.now(),
      endedAt: stand.clock.now(),
    })
    const { body, status } = await operator.call('GET', '/v1/overview')
    assert.equal(status, 200)
    assert.deepEqual(body['issues'], { high: 1, medium: 0, low: 0 })
    assert.equal((body['failedTasks'] as { taskId: string }[])[0]?.taskId, 'failed-1')
    assert.equal((body['vms'] as { total: number }).total, 1)
    const rented = (body['plans'] as { name: string; used: number }[])[0]
    assert.deepEqual([rented?.name, rented?.used], ['Small', 1])
    const list = body['endsSoon'] as { vmId: string }[]
    assert.equal(list.length, body['endsSoonTotal'])
  })

  test('O2 the list of rentals holds every one, with state, holder and end', async () => {
    const { body, status } = await operator.call('GET', '/v1/rentals')
    assert.equal(status, 200)
    const { rentals } = rentalsSchema.parse(body)
    assert.deepEqual(
      rentals.map((r) => [r.vmId, r.planName, r.holder]),
      [[vmId, 'Small', holder.address.toLowerCase()]],
    )
  })

  test('the host page tells how much of each plan fits, keys, and settings', async () => {
    const { body } = await operator.call('GET', '/v1/host')
    // 40 GiB not promised, 4 GiB twice for a snapshot: five; memory would allow four
    assert.deepEqual(body['room'], [{ planId: 0, fits: 4 }])
    assert.equal(body['nextProvisioner'], null)
    const made = await operator.call('POST', '/v1/host/provisioner-key', { body: {} })
    assert.equal(made.status, 200)
    assert.equal((await operator.call('GET', '/v1/host')).body['nextProvisioner'], made.body['address'])
  })

  test('money: what is held, earned and collected, each entry with its transaction', async () => {
    const { body } = await operator.call('GET', '/v1/money')
    const [token] = body['tokens'] as { token: string; collected: string; escrowed: string; unsettled: string }[]
    assert.equal(token?.token, zeroAddress)
    assert.equal(token?.collected, '600')
    const held = stand.chain.latestSubscription
    assert.equal(BigInt(token.escrowed) + BigInt(token.unsettled), (held?.paid ?? 0n) - (held?.settled ?? 0n))
    const first = await operator.call('GET', '/v1/money/entries?limit=2')
    const rows = first.body['items'] as { kind: string; amount: string; transactionHash: string; token: { symbol: string } }[]
    assert.deepEqual(
      rows.map((r) => [r.kind, r.amount, r.transactionHash]),
      [
        ['collected', '600', hash(1005)],
        ['settled', '700', hash(1004)],
      ],
    )
    const second = await operator.call('GET', `/v1/money/entries?limit=2&cursor=${String(first.body['nextCursor'])}`)
    const older = second.body['items'] as typeof rows
    assert.deepEqual(
      older.map((r) => [r.kind, r.amount, r.token.symbol]),
      [
        ['extended', '500', 'ETH'],
        ['bought', '3000', 'ETH'],
      ],
    )
    assert.equal(second.body['nextCursor'], null)
    for (const [figure, kinds] of [
      ['collectable', ['collected', 'settled']],
      ['unsettled', ['extended', 'bought']],
      ['escrowed', ['extended', 'bought']],
      ['collected', ['collected']],
    ] as const) {
      const only = await operator.call('GET', `/v1/money/entries?figure=${figure}`)
      assert.deepEqual(
        (only.body['items'] as typeof rows).map((r) => r.kind),
        kinds,
      )
    }
    for (const query of ['figure=secret', 'figures=collected'])
      assert.equal((await operator.call('GET', `/v1/money/entries?${query}`)).status, 400, query)
  })

  test('O1 the audit trail is exported whole as JSON lines, more than a page of it', async () => {
    for (let i = 0; i < 250; i++)
      await stand.store.audit.append({
        who: mine,
        what: 'test',
        target: `t${i}`,
        result: 'ok\nwith a line',
        transactionHash: null,
      })
    const { text, headers } = await operator.call('GET', '/v1/audit/export')
    assert.match(String(headers['content-type']), /jsonl/)
    const rows = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { what: string; target: string })
    const tests = rows.filter((r) => r.what === 'test').map((r) => r.target)
    assert.equal(tests.length, 250)
    assert.equal(new Set(tests).size, 250)
    assert.ok(rows.some((r) => r.what === 'provisioner key'))
  })

  test('O4 a fix is pressed once the issue stands, does what was shown and no more, and stands in the audit trail', async () => {
    const press = (code: string, subjects: readonly string[] = ['a', 'b', 'unheard']) =>
      operator.call('POST', `/v1/issues/${code}/fixes`, { body: { subjects } })
    assert.equal((await press('rpc-stale')).status, 404)
    assert.equal((await press('destroys-waiting')).status, 409)
    for (const subject of ['a', 'b', 'later']) {
      stand.standing.push({ ...stand.standing[0], code: 'destroys-waiting', subject } as never)
    }
    assert.equal((await press('destroys-waiting', [])).status, 400)
    assert.equal((await press('destroys-waiting', ['unheard'])).status, 409)
    const { body, status } = await press('destroys-waiting')
    assert.equal(status, 200)
    assert.match(String(body['done']), /^2 VMs/)
    assert.ok(stand.asked.includes('allowDestroys a b'))
    const trail = await stand.store.audit.list({ limit: 1 })
    assert.equal(trail.items[0]?.what, 'fix destroys-waiting')
  })

  test('O10 channels are kept without showing secrets, and bad ones are refused with the field', async () => {
    const channel = {
      kind: 'webhook',
      channelId: 'hook',
      enabled: true,
      minimumSeverity: 'low',
      url: 'http://127.0.0.1:9/',
      secret: 'abc-secret',
    }
    const kept = await operator.call('PUT', '/v1/alerts', { body: { channels: [channel] } })
    assert.equal(kept.status, 200)
    assert.doesNotMatch(kept.text, /abc-secret/)
    const refused = await operator.call('PUT', '/v1/alerts', { body: { channels: [{ ...channel, url: 'file:///etc/passwd' }] } })
    assert.equal(refused.status, 400)
    assert.match(refused.text, /\/channels\/0\/url/)
    const { body } = await operator.call('POST', '/v1/alerts/hook/test', { body: {} })
    assert.equal(body['ok'], false)
    assert.notEqual(body['reply'], '')
  })

  test('O11 the page of a VM in the hypervisor’s own interface is told to the operator, and to nobody else', async () => {
    const page = 'https://192.0.2.7:8006/#v1:0:=qemu%2F10001'
    await refresh({ giving: mine, latest: mine })
    const { contracts } = stand.facts
    const record: VmRecord = {
      key: { installation: testInstallation, tokenId: 42n, generation: 1 },
      state: 'running',
      autostart: true,
      spec: {
        ...{ vcpus: 1, memoryMiB: 512, diskGiB: 4, mac: '52:54:00:00:00:01', template: '' },
        addresses: { ipv4: null, ipv6: null, sshPort: null },
        origin: { buyer: mine, boughtBlock: 1 },
      },
      facts: { hostKey: null, activating: true },
      snapshots: [],
    }
    const told = async (client: TestClient): Promise<unknown[]> => {
      const one = await client.call('GET', `/v1/vms/${vmId}`)
      const all = await client.call('GET', '/v1/vms?all=true')
      const rows = all.status === 200 ? (all.body['items'] as { hypervisorPage: unknown }[]) : []
      return [one.body['hypervisorPage'], rows.some((row) => row.hypervisorPage !== null)]
    }
    await stand.refresh({ contracts, records: new Map([[vmId, { ...record, page }]]) })
    assert.deepEqual(await told(subscriber), [null, false])
    assert.deepEqual(await told(operator), [page, false])
    await stand.refresh({ contracts, records: new Map([[vmId, record]]) })
    assert.deepEqual(await told(operator), [null, false])
  })

  test('X21 a rate of fiat is the operator’s word: denied to others and for what is not sold, told to all with its date, taken away', async () => {
    const path = `/v1/rates/${zeroAddress}`
    const told = async (): Promise<unknown> => (await stand.client().call('GET', '/v1/status')).body['rates']
    const body = { currency: 'EUR', rate: '3200.50' }
    assert.equal((await subscriber.call('PUT', path, { body })).status, 403)
    assert.equal((await stand.client().call('PUT', path, { body })).status, 401)
    assert.equal((await subscriber.call('DELETE', path)).status, 403)
    for (const wrong of [
      { currency: 'eur', rate: '1' },
      { currency: 'EUR', rate: '0.00' },
      { currency: 'EUR', rate: '-1' },
      { currency: 'EUR', rate: '1e3' },
      { currency: 'EUR', rate: 1 },
      { currency: 'EUR' },
      { ...body, setAt: 1 },
    ]) {
      const { status, body: problem } = await operator.call('PUT', path, { body: wrong })
      assert.deepEqual([status, problem['code']], [400, 'bad-input'], JSON.stringify(wrong))
    }
    const unsold = await operator.call('PUT', `/v1/rates/0x${'77'.repeat(20)}`, { body })
    assert.deepEqual([unsold.status, unsold.body['code']], [404, 'not-found'])
    assert.deepEqual(await told(), [])

    assert.equal((await operator.call('PUT', path, { body })).status, 200)
    const kept = { ...body, token: zeroAddress, setAt: stand.clock.now() }
    assert.deepEqual(await told(), [kept])
    // a daemon that starts anew finds it
    assert.deepEqual(await new Rates(stand.store.settings).list(), [kept])
    // two at once: one rate, never a lost or doubled one
    await Promise.all(['2', '3'].map((rate) => operator.call('PUT', path, { body: { currency: 'USD', rate } })))
    assert.deepEqual(
      ((await told()) as { currency: string }[]).map((one) => one.currency),
      ['USD'],
    )
    const { items } = await stand.store.audit.list({ target: zeroAddress, limit: 1 })
    assert.match(items[0]?.result ?? '', /^[23] USD$/)
    assert.equal((await operator.call('DELETE', path)).status, 200)
    assert.deepEqual(await told(), [])
  })

  test('metrics of a VM are for its holder and the operator, and for nobody else', async () => {
    for (const client of [operator, subscriber]) {
      const { body, status } = await client.call('GET', `/v1/vms/${vmId}/metrics`)
      assert.equal(status, 200)
      assert.equal(body['memoryUsedMiB'], 200)
    }
    const other = await stand.signedIn(Wallet.createRandom() as unknown as Wallet)
    assert.equal((await other.call('GET', `/v1/vms/${vmId}/metrics`)).status, 404)
  })
})
