import type { TaskRecord } from '../../steps/step.ts'
import type { TaskView } from '../schemas/tasks.ts'

/** A task as it travels. */
export function taskView(task: TaskRecord): TaskView {
  return {
    taskId: task.taskId,
    kind: task.kind,
    subject: task.subject,
    state: task.state,
    steps: task.steps.map(({ name, state, startedAt, endedAt, phase }) => ({ name, state, startedAt, endedAt, phase })),
    error: task.error && { code: task.error.code, title: task.error.title, detail: task.error.detail, hint: task.error.hint },
    attempt: task.attempt,
    createdAt: task.createdAt,
    endedAt: task.endedAt,
  }
}
