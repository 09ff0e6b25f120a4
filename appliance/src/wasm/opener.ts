import { Worker } from 'node:worker_threads'
import type { CommitmentScheme } from './protocol/commitment.ts'
import type { RecipientKey } from './protocol/hpke.ts'

/**
 * What is opened with: `enc` and `sealed` in base64 as they came, `aad` as text; the keys are tried in order. Where `sealed` is
 * bytes of base64 it goes to the thread and is gone here: it has a buffer of its own.
 */
export interface OpenJob {
  id: number
  recipients: readonly { kid: string; recipient: RecipientKey }[]
  enc: string
  sealed: string | Uint8Array<ArrayBuffer>
  aad: string
}

/** A request that opened. */
export interface OpenedRequest {
  kid: string
  wasm: Uint8Array
  /** SHA-256 of the program, hex. */
  sha256: string
  /** The commitment to the program under `salt` (32 bytes, hex), which is the salt of the call. */
  program: string
  salt: string
  /** What the answer's seal is derived from, 32 bytes in hex. */
  secret: string
}

export interface OpenResult {
  id: number
  opened: OpenedRequest | null
}

interface Thread {
  worker: Worker
  waiting: Map<number, { resolve(opened: OpenedRequest | null): void; reject(error: Error): void }>
}

/** Opens requests in threads of its own. What comes in the same turn of the loop travels together: a message costs what a key does. */
export class Opener {
  readonly #scheme: CommitmentScheme
  readonly #threads: Thread[]
  #jobs: OpenJob[] = []
  #next = 0
  #closed = false

  constructor({ threads, scheme }: { threads: number; scheme: CommitmentScheme }) {
    this.#scheme = scheme
    this.#threads = Array.from({ length: threads }, () => this.#start())
  }

  /** Null for whatever does not open, with no word why. Rejects if the thread ended under it. */
  open(job: Omit<OpenJob, 'id'>): Promise<OpenedRequest | null> {
    const { promise, resolve, reject } = Promise.withResolvers<OpenedRequest | null>()
    const id = (this.#next += 1)
    const thread = this.#leastBusy()
    if (thread === undefined || this.#closed) return Promise.reject(new Error('the service is closing'))
    thread.waiting.set(id, { resolve, reject })
    this.#jobs.push({ id, ...job })
    if (this.#jobs.length === 1) setImmediate(() => this.#send())
    return promise
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()))
  }

  #leastBusy(): Thread | undefined {
    const [best] = this.#threads.toSorted((a, b) => a.waiting.size - b.waiting.size)
    return best
  }

  #send(): void {
    const jobs = this.#jobs
    this.#jobs = []
    for (const { worker, waiting } of this.#threads) {
      const own = jobs.filter(({ id }) => waiting.has(id))
      if (own.length === 0) continue
      worker.postMessage(
        own,
        own.flatMap(({ sealed }) => (typeof sealed === 'string' ? [] : [sealed.buffer])),
      )
    }
  }

  #start(): Thread {
    const worker = new Worker(new URL('opener-thread.ts', import.meta.url), {
      workerData: { scheme: this.#scheme },
      env: {},
      // its garbage goes early: what it holds for long is nothing
      resourceLimits: { maxYoungGenerationSizeMb: 24 },
    })
    const thread: Thread = { worker, waiting: new Map() }
    worker.on('message', (results: OpenResult[]) => {
      for (const { id, opened } of results) {
        thread.waiting.get(id)?.resolve(opened)
        thread.waiting.delete(id)
      }
    })
    const over = (): void => {
      for (const { reject } of thread.waiting.values()) reject(new Error('the thread that opens requests ended'))
      thread.waiting.clear()
      const at = this.#threads.indexOf(thread)
      if (!this.#closed && at >= 0) this.#threads[at] = this.#start()
    }
    // an error of a thread is followed by its exit
    worker.on('error', () => {}).once('exit', over)
    return thread
  }
}
