import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { after, before, suite, test } from 'node:test'
import type { TaskRecord } from '../steps/step.ts'
import { holder, otherWallet, testContract } from '../sign-in/test-stand.ts'
import { createMetricsServer } from './metrics.ts'
import { taskSchema } from './schemas/tasks.ts'
import { purchaseSchema } from './schemas/vms.ts'
import { apiStand, type ApiStand, type TestClient } from './test-stand.ts'

function taskOf(vmId: string, state: TaskRecord['state'], now: number): TaskRecord {
  const step = {
    name: 'start',
    state: state === 'done' ? ('done' as const) : ('running' as const),
    startedAt: now,
    endedAt: null,
    phase: 'booting',
  }
  return {
    taskId: 'task-x',
    kind: 'create',
    subject: vmId,
    state,
    steps: [step],
    error: null,
    attempt: 1,
    createdAt: now,
    endedAt: null,
  }
}

suite('tasks, purchases and metrics', () => {
  let stand: ApiStand
  let vmId = ''
  before(async () => {
    stand = await apiStand()
    vmId = await stand.putVm()
    await stand.refresh()
    await stand.store.tasks.put(taskOf(vmId, 'running', stand.clock.now()))
    await stand.store.tasks.appendLog('task-x', 'Making the disk.')
  })
  after(() => stand.close())

  test('a stranger sees no task, log, event or list of others', async () => {
    const stranger = await stand.signedIn(otherWallet)
    for (const path of ['/v1/tasks/task-x', '/v1/tasks/task-x/log', '/v1/tasks/task-x/events']) {
      assert.equal((await stranger.call('GET', path)).body['code'], 'not-found', path)
    }
    assert.equal((await stranger.call('GET', `/v1/tasks?subject=${vmId}`)).status, 404)
    assert.equal((await stranger.call('GET', '/v1/tasks')).status, 400)
    assert.equal((await stranger.call('GET', '/v1/issues')).status, 403)
    assert.equal((await stranger.call('GET', '/v1/audit')).status, 403)
  })

  test('the holder reads task and log', async () => {
    const client = await stand.signedIn()
    assert.equal(taskSchema.parse((await client.call('GET', '/v1/tasks/task-x')).body).steps[0]?.phase, 'booting')
    assert.equal((await client.call('GET', '/v1/tasks/task-x/log')).body['lines'] instanceof Array, true)
    assert.equal(((await client.call('GET', `/v1/tasks?subject=${vmId}`)).body['items'] as unknown[]).length, 1)
  })

  test('L5 an open event stream ends with the right: a former holder hears nothing more', async () => {
    const client = await stand.signedIn()
    const seen = Promise.withResolvers<void>()
    const stream = follow(client, '/v1/tasks/task-x/events', (text) => text.includes('event: task') && seen.resolve())
    await seen.promise
    stand.chain.set({ holder: otherWallet.address.toLowerCase() as `0x${string}` })
    await stand.refresh()
    stand.tasks.emit({ type: 'log', taskId: 'task-x', at: 1, line: 'for the new holder only' })
    assert.doesNotMatch(await stream, /new holder only/)
    stand.chain.set({})
    await stand.refresh()
  })

  test('X6 events: what was, what comes, and the end with the task', async () => {
    const client = await stand.signedIn()
    const seen = Promise.withResolvers<void>()
    const stream = follow(client, '/v1/tasks/task-x/events', (text) => text.includes('event: task') && seen.resolve())
    await seen.promise
    stand.tasks.emit({ type: 'log', taskId: 'task-x', at: 1, line: 'The guest answers.' })
    stand.tasks.emit({ type: 'log', taskId: 'another', at: 1, line: 'not for here' })
    stand.tasks.emit({ type: 'task', task: taskOf(vmId, 'done', stand.clock.now()) })
    const text = await stream
    assert.match(text, /event: log\ndata: .*Making the disk/)
    assert.match(text, /The guest answers/)
    assert.doesNotMatch(text, /not for here/)
    assert.match(text, /event: task\ndata: .*"state":"done".*\n\n$/)
  })

  function follow(client: TestClient, path: string, onText: (text: string) => void): Promise<string> {
    const ended = Promise.withResolvers<string>()
    const cookie = [...client.cookies].map(([n, v]) => `${n}=${v}`).join('; ')
    httpRequest(
      { socketPath: stand.socketPath, path, headers: { host: 'localhost:8080', 'x-forwarded-for': client.address, cookie } },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => onText((text += chunk)))
        response.on('end', () => ended.resolve(text))
      },
    )
      .on('error', ended.reject)
      .end()
    return ended.promise
  }

  test('S6 S7 S8 a purchase by its transaction: unknown, failed, seen, preparing, ready, given back', async () => {
    const hash = `0x${'12'.repeat(32)}`
    const log = {
      address: testContract,
      topics: [
        '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef',
        `0x${'0'.repeat(64)}`,
        `0x${'0'.repeat(64)}`,
        `0x${(42).toString(16).padStart(64, '0')}`,
      ],
    }
    let receipt: unknown = null
    let transaction: unknown = null
    stand.apiPorts.rpc = (method) => Promise.resolve(method === 'eth_getTransactionReceipt' ? receipt : transaction)
    const state = async () => purchaseSchema.parse((await stand.client().call('GET', `/v1/purchases/${hash}`)).body)
    assert.equal((await state()).state, 'unknown')
    transaction = {}
    assert.equal((await state()).state, 'seen')
    const block = `0x${(stand.chain.heads.latest.number - 1).toString(16)}`
    receipt = { status: '0x0', blockNumber: block, logs: [] }
    assert.equal((await state()).state, 'failed')
    receipt = { status: '0x1', blockNumber: block, logs: [{ ...log, address: holder.address }] }
    assert.equal((await state()).state, 'failed')
    receipt = { status: '0x1', blockNumber: block, logs: [log] }
    stand.chain.set({ state: 'pending', activatedAt: 0, activationDeadline: stand.clock.now() + 60 })
    stand.chain.giving = undefined
    await stand.refresh()
    assert.equal((await state()).state, 'seen')
    stand.chain.set({ state: 'pending', activatedAt: 0, activationDeadline: stand.clock.now() + 60 })
    await stand.refresh()
    assert.equal((await state()).state, 'confirmed')
    await stand.refresh({ tasks: new Map([[vmId, taskOf(vmId, 'running', stand.clock.now())]]) })
    const preparing = await state()
    assert.deepEqual([preparing.state, preparing.phase, preparing.vmId], ['preparing', 'booting', vmId])
    stand.chain.set({ state: 'pending', activatedAt: 0, activationDeadline: stand.chain.heads.latest.timestamp - 1 })
    await stand.refresh()
    assert.equal((await state()).state, 'refundable')
    stand.chain.set({})
    await stand.refresh()
    assert.equal((await state()).state, 'ready')
    stand.chain.set({ state: 'ended' })
    await stand.refresh()
    assert.equal((await state()).state, 'rejected')
    stand.chain.set({})
    await stand.refresh()
  })

  test('metrics and health on loopback: counts, no addresses', async () => {
    const metrics = createMetricsServer({
      facts: () => stand.facts,
      issues: () => Promise.resolve([{ severity: 'high' }]),
      healthy: () => Promise.resolve(),
    })
    const port = await metrics.listen('127.0.0.1:0')
    const get = async (path: string) => await fetch(`http://127.0.0.1:${port}${path}`)
    assert.equal(await (await get('/healthz')).text(), 'ok\n')
    const text = await (await get('/metrics')).text()
    assert.match(text, /freehold_subscriptions\{state="active"\} 1/)
    assert.match(text, /freehold_vms\{state="running"\} 1/)
    assert.match(text, /freehold_issues\{severity="high"\} 1/)
    assert.doesNotMatch(text, /0x[0-9a-f]{40}/i)
    assert.equal((await get('/v1/vms')).status, 404)
    await metrics.close()
  })
})
