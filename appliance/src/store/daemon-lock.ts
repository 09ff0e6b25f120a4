import { DatabaseSync } from 'node:sqlite'
import { AppError } from '../errors/app-error.ts'

/** Held for the life of the process; the kernel gives it back whatever ends it. */
export interface DaemonLock {
  release(): void
}

/**
 * Takes a state folder for this process alone. The lock is that of SQLite on a file of its own (fcntl), so a crash or kill -9
 * leaves nothing behind, and a second daemon finds out before it has touched anything. Throws AppError `already-running`.
 */
export function holdDaemonLock(path: string): DaemonLock {
  const file = new DatabaseSync(path)
  try {
    file.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE;')
  } catch (cause) {
    file.close()
    throw new AppError({ code: 'already-running', detail: 'Another freeholdd holds this state folder.', cause })
  }
  return { release: () => file.close() }
}
