import type { UnixSeconds } from '../clock/clock.ts'
import type { TaskRecord } from './step.ts'

/**
 * What the runner needs of the store's tasks: kill -9 at any moment loses nothing, as every call has reached the disk when it
 * resolves.
 */
export interface TaskStore {
  /** Inserts or replaces by `taskId`. */
  put(task: TaskRecord): Promise<void>
  /** Newest first. */
  list(query: { subject: string; limit?: number }): Promise<{ items: TaskRecord[] }>
  /** One line of the log that people read. */
  appendLog(taskId: string, line: string): Promise<void>
}

/** What listeners learn; the API sends the same as server-sent events. */
export type TaskEvent = { type: 'task'; task: TaskRecord } | { type: 'log'; taskId: string; at: UnixSeconds; line: string }
