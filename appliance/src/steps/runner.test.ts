import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import { planSuite } from './plan-suite.ts'
import { backOffSeconds, once, patient } from './retry.ts'
import { runTask, undoTask, type TaskRequest } from './runner.ts'
import type { Step } from './step.ts'
import { TaskEvents } from './task-events.ts'
import { MemoryTaskStore } from './task-memory.ts'
import type { TaskEvent } from './task-store.ts'

/** A world of words; each step puts its own there. */
type World = Set<string>

function put(word: string, more: Partial<Step<World>> = {}): Step<World> {
  return {
    name: word,
    estimateSeconds: 1,
    check: (world) => Promise.resolve(world.has(word)),
    run: (world) => Promise.resolve(void world.add(word)),
    undo: (world) => Promise.resolve(void world.delete(word)),
    ...more,
  }
}

const clock = systemClock
const refused = new AppError({ code: 'not-supported', detail: 'Never.' })
const passing = new AppError({ code: 'hypervisor-down', detail: 'Not now.' })

function job(steps: readonly Step<World>[], more: Partial<TaskRequest<World>> = {}): TaskRequest<World> {
  return { kind: 'create', subject: 'vm', steps, context: new Set<string>(), ...more }
}

describe('denials', () => {
  test('nothing happens that could not be written down first', async () => {
    const request = job([put('a')])
    const tasks = new MemoryTaskStore()
    tasks.put = () => Promise.reject(new Error('disk full'))
    await assert.rejects(runTask(request, { tasks, clock }), /disk full/)
    assert.equal(request.context.size, 0)
  })

  test('a failure that retrying cannot help is not retried', async () => {
    let tries = 0
    const step = put('a', { run: () => ((tries += 1), Promise.reject(refused)) })
    const record = await runTask(job([step], { retry: patient }), { tasks: new MemoryTaskStore(), clock })
    assert.equal(tries, 1)
    assert.deepEqual([record.state, record.error?.code], ['failed', 'not-supported'])
  })

  test('an unknown failure tells a person nothing of its inside', async () => {
    const step = put('a', { run: () => Promise.reject(new Error('/etc/secret: ENOENT')) })
    const tasks = new MemoryTaskStore()
    const record = await runTask(job([step]), { tasks, clock })
    assert.equal(record.error?.code, 'step-failed')
    assert.doesNotMatch(JSON.stringify([record, [...tasks.lines.values()]]), /secret/)
  })

  test('after an abort no further step begins', async () => {
    const stop = new AbortController()
    const request = job([put('a', { run: () => Promise.resolve(stop.abort()) }), put('b')], { signal: stop.signal })
    const record = await runTask(request, { tasks: new MemoryTaskStore(), clock })
    assert.equal(record.state, 'interrupted')
    assert.equal(request.context.has('b'), false)
  })

  test('a step that was done and is gone from the world is done again', async () => {
    const tasks = new MemoryTaskStore()
    const context: World = new Set<string>()
    const steps = [put('a'), put('b', { run: () => Promise.reject(passing) })]
    await runTask({ kind: 'create', subject: 'vm', steps, context }, { tasks, clock })
    context.delete('a')
    const record = await runTask({ kind: 'create', subject: 'vm', steps: [put('a'), put('b')], context }, { tasks, clock })
    assert.deepEqual([record.state, [...context]], ['done', ['a', 'b']])
  })
})

test('an interrupted job is the same task when it is taken up again, a failed one only on request', async () => {
  const tasks = new MemoryTaskStore()
  const failing = job([put('a', { run: () => Promise.reject(passing) })])
  const first = await runTask(failing, { tasks, clock })
  const second = await runTask(failing, { tasks, clock })
  assert.notEqual(second.taskId, first.taskId)
  const third = await runTask({ ...failing, steps: [put('a')], resumeFailed: true }, { tasks, clock })
  assert.deepEqual([third.taskId, third.attempt, third.state], [second.taskId, 2, 'done'])
})

test('retries what may pass, and says so in the log', async () => {
  let tries = 0
  const step = put('a', {
    run: (world) => ((tries += 1), tries < 3 ? Promise.reject(passing) : Promise.resolve(void world.add('a'))),
  })
  const tasks = new MemoryTaskStore()
  const retry = { attempts: 3, firstSeconds: 0.001, factor: 1, longestSeconds: 0.001 }
  const record = await runTask(job([step], { retry }), { tasks, clock })
  assert.equal(record.state, 'done')
  assert.deepEqual(tasks.lines.get(record.taskId), Array(2).fill('a: The hypervisor does not answer. Trying again.'))
})

test('undo runs in reverse order, and only where it is asked for', async () => {
  const order: string[] = []
  const undo = (word: string) => (world: World) => {
    order.push(word)
    world.delete(word)
    return Promise.resolve()
  }
  const steps = [put('a', { undo: undo('a') }), put('b', { undo: undo('b') }), put('c', { run: () => Promise.reject(refused) })]
  const request = job(steps)
  const tasks = new MemoryTaskStore()
  assert.equal((await runTask(request, { tasks, clock })).state, 'failed')
  assert.deepEqual(order, [])
  const record = await runTask({ ...request, undoAfter: (e) => e.code === 'not-supported' }, { tasks, clock })
  assert.deepEqual([record.state, order, record.error?.code], ['undone', ['b', 'a'], 'not-supported'])
  assert.equal((await undoTask(request, { tasks, clock })).state, 'undone')
})

test('listeners learn every transition, phase and line; one that throws harms nobody', async () => {
  const events = new TaskEvents()
  const seen: string[] = []
  const show = (e: TaskEvent): string =>
    e.type === 'log' ? e.line : `${e.task.state} ${e.task.steps[0]?.state} ${e.task.steps[0]?.phase}`
  events.subscribe(() => {
    throw new Error('a broken listener')
  })
  const end = events.subscribe((e) => seen.push(show(e)))
  const step = put('a', {
    run(world, io) {
      io.progress('copying', 0.5)
      io.log('half of it')
      world.add('a')
      return Promise.resolve()
    },
  })
  await runTask(job([step]), { tasks: new MemoryTaskStore(), clock, onEvent: events.emit })
  end()
  assert.deepEqual(seen, [
    'running waiting null',
    'running running null',
    'running running copying 50 %',
    'half of it',
    'running done null',
    'done done null',
  ])
})

test('the pause grows up to its bound', () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5, 9].map((n) => backOffSeconds(patient, n)),
    [1, 2, 4, 8, 15, 15],
  )
  assert.equal(backOffSeconds(once, 1), 0)
})

planSuite(
  'of words',
  () => {
    const context: World = new Set<string>()
    return Promise.resolve({ steps: [put('a'), put('b'), put('c')], context, world: () => Promise.resolve([...context]) })
  },
  { steps: ['a', 'b', 'c'], undoes: true },
)
