import type { TaskRecord } from './step.ts'
import type { TaskEvent } from './task-store.ts'

/** Hands every change of every job to whoever listens. A listener that throws harms nobody else. */
export class TaskEvents {
  readonly #running = new Map<string, TaskRecord>()
  readonly #listeners = new Set<(event: TaskEvent) => void>()

  /** Returns what ends the subscription; calling that twice is harmless. */
  subscribe(listener: (event: TaskEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** A running task with its phase, which is display and on no disk; any other as it was kept. */
  live(kept: TaskRecord): TaskRecord {
    return (kept.state === 'running' ? this.#running.get(kept.taskId) : undefined) ?? kept
  }

  emit = (event: TaskEvent): void => {
    if (event.type === 'task' && event.task.state === 'running') this.#running.set(event.task.taskId, event.task)
    else if (event.type === 'task') this.#running.delete(event.task.taskId)
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch {
        // its owner lost a line of display, never work
      }
    }
  }
}
