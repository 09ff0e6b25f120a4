import type { Task } from './world.ts'

/** What can be made to go wrong, by whoever holds the stand-in. */
export type Fault =
  /** The TCP connection is reset before any TLS. */
  | { kind: 'refused' }
  /** The request is read and the connection cut; nothing is done. */
  | { kind: 'cut-before' }
  /** It is done and the connection cut. */
  | { kind: 'cut-after' }
  /** An answer in place of the work. */
  | { kind: 'answer'; status: number; reason: string; empty?: boolean; fields?: Record<string, string> }
  /** The work is done and this answered. */
  | { kind: 'answer-after'; status: number; reason: string; empty?: boolean }
  /** The next task that such a request starts ends so; `after`: its work is done all the same. */
  | { kind: 'task-fails'; text: string; after?: boolean }
  /** The record of the task is lost when it ends. */
  | { kind: 'task-lost' }
  /** Somebody else makes a VM with the id that is asked for, just before. */
  | { kind: 'id-taken' }
  /** Somebody else holds the lock of the VM. */
  | { kind: 'lock-held' }
  /** The storage that is written to has no room. */
  | { kind: 'storage-full' }
  /** The VM bears this lock in its configuration for so many requests. */
  | { kind: 'config-lock'; lock: string }
  /** Somebody else writes to the configuration of the VM just before. */
  | { kind: 'config-changed' }

/** Where and how often. */
export interface ArmedFault {
  fault: Fault
  method?: string
  /** Matched against the template of the path in the schema. */
  path?: RegExp
  times: number
  /** Armed when this one has struck. */
  next?: ArmedFault
}

/** One line of the record of what struck. */
export interface Strike {
  fault: Fault['kind']
  at: string
}

/** Faults that wait for their request, and the record of those that struck: a test of a fault fails unless it did. */
export class Faults {
  readonly armed: ArmedFault[] = []
  readonly #struck: Strike[] = []
  /** Faults of the request that is served now. */
  readonly #tasks: { text: string; when: 'before' | 'after'; at: string }[] = []
  #lose: string[] = []

  arm(fault: Fault, where: { method?: string; path?: RegExp; times?: number; next?: ArmedFault } = {}): void {
    this.armed.push({
      fault,
      times: where.times ?? 1,
      ...(where.method && { method: where.method }),
      ...(where.path && { path: where.path }),
      ...(where.next && { next: where.next }),
    })
  }

  clear(): void {
    this.armed.length = 0
    this.#tasks.length = 0
    this.#lose = []
  }

  /** What struck so far. */
  get struck(): readonly Strike[] {
    return this.#struck
  }

  /** The fault of a connection, before anything of the request is known. */
  takeRefusal(): boolean {
    return this.#take((f) => f.kind === 'refused', 'connection') !== undefined
  }

  /** The fault that waits for such a request; task faults are put by for the task that it starts. */
  take(method: string, template: string): Fault | undefined {
    const at = `${method} ${template}`
    const found = this.#take(
      (f) => f.kind !== 'refused' && f.kind !== 'lock-held' && f.kind !== 'storage-full',
      at,
      method,
      template,
    )
    if (found?.kind === 'task-fails') {
      this.#tasks.push({ text: found.text, when: found.after === true ? 'after' : 'before', at })
      return undefined
    }
    if (found?.kind === 'task-lost') {
      this.#lose.push(at)
      return undefined
    }
    return found
  }

  /** Asked inside of the world, at the place where it would happen. */
  strikes(kind: 'lock-held' | 'storage-full', at: object): boolean {
    return this.#take((f) => f.kind === kind, JSON.stringify(at)) !== undefined
  }

  taskFailure(task: Task): { text: string; when: 'before' | 'after' } | undefined {
    const found = this.#tasks.shift()
    if (found !== undefined) this.#struck.push({ fault: 'task-fails', at: `${found.at} ${task.upid}` })
    return found
  }

  losesTask(task: Task): boolean {
    const found = this.#lose.shift()
    if (found !== undefined) this.#struck.push({ fault: 'task-lost', at: `${found} ${task.upid}` })
    return found !== undefined
  }

  #take(fits: (fault: Fault) => boolean, at: string, method?: string, template?: string): Fault | undefined {
    const index = this.armed.findIndex(
      (a) =>
        fits(a.fault) &&
        (a.method === undefined || method === undefined || a.method === method) &&
        (a.path === undefined || template === undefined || a.path.test(template)),
    )
    const found = this.armed[index]
    if (found === undefined) return undefined
    found.times--
    if (found.times <= 0) this.armed.splice(index, 1)
    if (found.next !== undefined) this.armed.push(found.next)
    if (found.fault.kind !== 'task-fails' && found.fault.kind !== 'task-lost') this.#struck.push({ fault: found.fault.kind, at })
    return found.fault
  }
}
