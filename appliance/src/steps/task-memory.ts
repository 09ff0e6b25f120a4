import type { TaskRecord } from './step.ts'
import type { TaskStore } from './task-store.ts'

/** A store of jobs in memory: the twin for tests and for runs that need not survive the process. */
export class MemoryTaskStore implements TaskStore {
  readonly tasks = new Map<string, TaskRecord>()
  readonly lines = new Map<string, string[]>()

  put(task: TaskRecord): Promise<void> {
    this.tasks.set(task.taskId, structuredClone(task))
    return Promise.resolve()
  }

  list({ subject, limit = 50 }: { subject: string; limit?: number }): Promise<{ items: TaskRecord[] }> {
    const mine = [...this.tasks.values()].filter((t) => t.subject === subject).toReversed()
    return Promise.resolve({ items: structuredClone(mine.slice(0, limit)) })
  }

  appendLog(taskId: string, line: string): Promise<void> {
    this.lines.set(taskId, [...(this.lines.get(taskId) ?? []), line])
    return Promise.resolve()
  }
}
