import { AsyncLocalStorage } from 'node:async_hooks'
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
  /** The next task that such a request starts does its work only when the promise resolves. */
  | { kind: 'task-held'; until: Promise<void> }
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
  /** So many requests that fit are let through first. */
  skip?: number
  /** Armed when this one has struck. */
  next?: ArmedFault
}

/** One line of the record of what struck. */
export interface Strike {
  fault: Fault['kind']
  at: string
}

/** A request, by its place in the schema. */
interface Request {
  method: string
  template: string
}

/** Faults that wait for their request, and the record of those that struck: a test of a fault fails unless it did. */
export class Faults {
  readonly armed: ArmedFault[] = []
  readonly #struck: Strike[] = []
  /** The request that is served now, also inside of the task that it started. */
  readonly #serving = new AsyncLocalStorage<Request>()

  arm(fault: Fault, where: { method?: string; path?: RegExp; times?: number; skip?: number; next?: ArmedFault } = {}): void {
    this.armed.push({
      fault,
      times: where.times ?? 1,
      ...(where.method && { method: where.method }),
      ...(where.path && { path: where.path }),
      ...(where.skip !== undefined && { skip: where.skip }),
      ...(where.next && { next: where.next }),
    })
  }

  clear(): void {
    this.armed.length = 0
  }

  /** What struck so far. */
  get struck(): readonly Strike[] {
    return this.#struck
  }

  /** The fault of a connection, before anything of the request is known. */
  takeRefusal(): boolean {
    return this.#take((f) => f.kind === 'refused', undefined, 'connection') !== undefined
  }

  /** Faults that are taken inside of `work`, and of tasks that it starts, are those of this request alone. */
  serve<T>(method: string, template: string, work: () => T): T {
    return this.#serving.run({ method, template }, work)
  }

  /**
   * The fault of one of these kinds that waits for the request that is served now. Asked at the place where it has its effect and
   * nowhere before: what is taken counts as struck.
   */
  take<K extends Fault['kind']>(...kinds: K[]): Extract<Fault, { kind: K }> | undefined {
    return this.#takeHere((f) => (kinds as string[]).includes(f.kind)) as Extract<Fault, { kind: K }> | undefined
  }

  /** Asked inside of the world, at the place where it would happen. */
  strikes(kind: 'lock-held' | 'storage-full', at: object): boolean {
    return this.#takeHere((f) => f.kind === kind, JSON.stringify(at)) !== undefined
  }

  /** The exit status that a task gets in place of its work, or after it. */
  taskFailure(task: Task, when: 'before' | 'after'): string | undefined {
    const found = this.#takeHere((f) => f.kind === 'task-fails' && (f.after === true) === (when === 'after'), task.upid)
    return found?.kind === 'task-fails' ? found.text : undefined
  }

  /** Resolves when the task may begin its work. */
  async held(task: Task): Promise<void> {
    const found = this.#takeHere((f) => f.kind === 'task-held', task.upid)
    if (found?.kind === 'task-held') await found.until
  }

  losesTask(task: Task): boolean {
    return this.#takeHere((f) => f.kind === 'task-lost', task.upid) !== undefined
  }

  #takeHere(fits: (fault: Fault) => boolean, detail = ''): Fault | undefined {
    const request = this.#serving.getStore()
    if (request === undefined) return undefined
    return this.#take(fits, request, `${request.method} ${request.template} ${detail}`.trim())
  }

  #take(fits: (fault: Fault) => boolean, request: Request | undefined, at: string): Fault | undefined {
    const index = this.armed.findIndex(
      (a) =>
        fits(a.fault) &&
        (a.method === undefined || a.method === request?.method) &&
        (a.path === undefined || (request !== undefined && a.path.test(request.template))),
    )
    const found = this.armed[index]
    if (found === undefined) return undefined
    if (found.skip !== undefined && found.skip > 0) {
      found.skip--
      return undefined
    }
    found.times--
    if (found.times <= 0) this.armed.splice(index, 1)
    if (found.next !== undefined) this.armed.push(found.next)
    this.#struck.push({ fault: found.fault.kind, at })
    return found.fault
  }
}
