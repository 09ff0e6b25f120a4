import { taskSchema, type TaskView } from '../api/schemas/tasks.ts'
import { AppError } from '../errors/app-error.ts'
import { systemClock } from '../clock/clock.ts'
import type { ApiClient } from './client.ts'
import { exitCodes, say } from './output.ts'

function phaseLine(task: TaskView, startedAtMs: number): string {
  const step = task.steps.find((s) => s.state === 'running' || s.state === 'undoing')
  const seconds = Math.round((systemClock.monotonicMs() - startedAtMs) / 1000)
  return `${String(seconds).padStart(4)} s  ${step === undefined ? task.state : step.name}${step?.phase ? `: ${step.phase}` : ''}`
}

/**
 * Follows a task to its end, a line on stderr per phase. Interrupted, it names the task and how to come back (T10); the work
 * itself goes on. @param wanted how it is to end. Throws `step-failed` with the task's own error if it failed.
 */
export async function followTask(
  client: ApiClient,
  taskId: string,
  showPhases: boolean,
  wanted: 'done' | 'undone' = 'done',
): Promise<TaskView> {
  const startedAtMs = systemClock.monotonicMs()
  const onInterrupt = () => {
    say(`The work goes on as task ${taskId}. Come back with: freehold log --follow ${taskId}`)
    process.exit(exitCodes.interrupted)
  }
  process.once('SIGINT', onInterrupt)
  try {
    let last = ''
    for (;;) {
      const task = await client.call(taskSchema, 'GET', `/v1/tasks/${encodeURIComponent(taskId)}`)
      const line = phaseLine(task, startedAtMs)
      if (showPhases && line.slice(8) !== last) say(line)
      last = line.slice(8)
      if (task.state === wanted) return task
      if (task.state !== 'running') {
        throw new AppError({
          code: 'step-failed',
          detail: task.error === null ? `Task ${taskId} ended as ${task.state}.` : `${task.error.title}. ${task.error.detail}`,
          hint: `${task.error?.hint ?? 'See its log.'} Next: freehold log ${taskId}`,
        })
      }
      await systemClock.wait(400)
    }
  } finally {
    process.removeListener('SIGINT', onInterrupt)
  }
}
