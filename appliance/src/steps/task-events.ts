import type { TaskEvent } from './task-store.ts'

/** Hands every change of every job to whoever listens. A listener that throws harms nobody else. */
export class TaskEvents {
  readonly #listeners = new Set<(event: TaskEvent) => void>()

  /** Returns what ends the subscription; calling that twice is harmless. */
  subscribe(listener: (event: TaskEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  emit = (event: TaskEvent): void => {
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch {
        // its owner lost a line of display, never work
      }
    }
  }
}
