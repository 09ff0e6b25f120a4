import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import { runTask, undoTask } from './runner.ts'
import type { Step, TaskRecord } from './step.ts'
import { MemoryTaskStore } from './task-memory.ts'

/** One fresh instance of a plan and of the world that it works on. */
export interface PlanUnderTest<Context> {
  steps: readonly Step<Context>[]
  context: Context
  /** What is there now, comparable by value and free of times and random ids. */
  world(): Promise<unknown>
  /** The context of the next process after a kill. Default: the same one. */
  revive?(): Promise<Context>
  cleanUp?(): Promise<void>
}

class Killed extends Error {}

/** Dies at the `at`-th write: before it reaches the disk, or right after. From then on nothing works any more. */
class DyingStore extends MemoryTaskStore {
  writes = 0
  readonly #at: number
  readonly #when: 'before' | 'after'

  constructor(at: number, when: 'before' | 'after') {
    super()
    this.#at = at
    this.#when = when
  }

  override async put(task: TaskRecord): Promise<void> {
    this.writes += 1
    if (this.writes > this.#at || (this.writes === this.#at && this.#when === 'before')) throw new Killed()
    await super.put(task)
    if (this.writes === this.#at) throw new Killed()
  }
}

/**
 * The two generic tests of every plan, generated: fail at each step, repeat each step; and kill at each write, undo after each
 * failure. `undoes`: taking it back restores the world of the start.
 */
export function planSuite<Context>(
  name: string,
  make: () => Promise<PlanUnderTest<Context>>,
  options: { steps: readonly string[]; undoes: boolean },
): void {
  const clock = systemClock
  const run = (context: Context, steps: readonly Step<Context>[], tasks: MemoryTaskStore): Promise<TaskRecord> =>
    runTask({ kind: 'plan', subject: 'subject', steps, context }, { tasks, clock })

  async function withPlan(use: (plan: PlanUnderTest<Context>) => Promise<void>): Promise<void> {
    const plan = await make()
    try {
      await use(plan)
    } finally {
      await plan.cleanUp?.()
    }
  }

  /** The plan with one step that fails once: before it did anything, or after it did all. */
  function failing(plan: PlanUnderTest<Context>, at: number, when: 'before' | 'after'): Step<Context>[] {
    let failed = false
    return plan.steps.map((step, index) =>
      index !== at
        ? step
        : {
            ...step,
            check: (context) => (failed ? step.check(context) : Promise.resolve(false)),
            async run(context, io) {
              if (when === 'after' || failed) await step.run(context, io)
              if (failed) return
              failed = true
              throw new AppError({ code: 'process-failed', detail: 'The test made it fail.' })
            },
          },
    )
  }

  describe(`plan ${name}`, () => {
    let expected: unknown

    test('has the steps that are tested here', () =>
      withPlan(async (plan) => {
        assert.deepEqual(
          plan.steps.map((s) => s.name),
          options.steps,
        )
        await Promise.resolve()
      }))

    test('runs to its end', () =>
      withPlan(async (plan) => {
        const record = await run(plan.context, plan.steps, new MemoryTaskStore())
        assert.equal(record.state, 'done', JSON.stringify(record.error))
        expected = await plan.world()
      }))

    test('repeated as a whole, it changes nothing', () =>
      withPlan(async (plan) => {
        await run(plan.context, plan.steps, new MemoryTaskStore())
        const again = await run(plan.context, plan.steps, new MemoryTaskStore())
        assert.equal(again.state, 'done', JSON.stringify(again.error))
        assert.deepEqual(await plan.world(), expected)
      }))

    test('each step run twice ends in the same world', () =>
      withPlan(async (plan) => {
        const twice = plan.steps.map((step): Step<Context> => ({
          ...step,
          async run(context, io) {
            await step.run(context, io)
            if (!(await step.check(context))) await step.run(context, io)
          },
        }))
        const record = await run(plan.context, twice, new MemoryTaskStore())
        assert.equal(record.state, 'done', JSON.stringify(record.error))
        assert.deepEqual(await plan.world(), expected)
      }))

    for (const [at, step] of options.steps.entries()) {
      for (const when of ['before', 'after'] as const) {
        test(`fails ${when} ${step}, then goes on`, () =>
          withPlan(async (plan) => {
            const tasks = new MemoryTaskStore()
            const steps = failing(plan, at, when)
            assert.equal((await run(plan.context, steps, tasks)).state, 'failed')
            const record = await run(plan.context, steps, tasks)
            assert.equal(record.state, 'done', JSON.stringify(record.error))
            assert.deepEqual(await plan.world(), expected)
          }))
      }

      if (!options.undoes) continue
      test(`fails after ${step}, then is undone`, () =>
        withPlan(async (plan) => {
          const tasks = new MemoryTaskStore()
          const before = await plan.world()
          assert.equal((await run(plan.context, failing(plan, at, 'after'), tasks)).state, 'failed')
          const record = await undoTask(
            { kind: 'plan', subject: 'subject', steps: plan.steps, context: plan.context },
            { tasks, clock },
          )
          assert.equal(record.state, 'undone', JSON.stringify(record.error))
          assert.deepEqual(await plan.world(), before)
        }))
    }

    // first write of the task, two per step, one for its end; steps whose check holds write less, and then nothing dies
    for (let at = 1; at <= 2 + 2 * options.steps.length; at += 1) {
      for (const when of ['before', 'after'] as const) {
        test(`killed ${when} write ${at}, then started again`, () =>
          withPlan(async (plan) => {
            const tasks = new DyingStore(at, when)
            await run(plan.context, plan.steps, tasks).catch((error: unknown) => {
              if (!(error instanceof Killed)) throw error
            })
            const survived = new MemoryTaskStore()
            for (const task of tasks.tasks.values()) await survived.put(task)
            const record = await run((await plan.revive?.()) ?? plan.context, plan.steps, survived)
            assert.equal(record.state, 'done', JSON.stringify(record.error))
            assert.ok(
              [...survived.tasks.values()].every((t) => t.state === 'done'),
              'no task is left open',
            )
            assert.deepEqual(await plan.world(), expected)
          }))
      }
    }
  })
}
