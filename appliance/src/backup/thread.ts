import { parentPort, Worker, workerData } from 'node:worker_threads'
import { z } from 'zod'
import { AppError } from '../errors/app-error.ts'
import { errorCatalogue, type ErrorCode } from '../errors/catalogue.ts'
import type { OpenKeys } from './keys.ts'
import { makeOne, type MadeBackup, type MakeJob } from './make-one.ts'
import type { Manifest } from './manifest.ts'
import { readSealed } from './seal.ts'

/** Opens a backup and compares; `unpackTo` lays its files down. */
export interface ReadJob {
  path: string
  open: OpenKeys
  unpackTo?: string
}

type Job = { kind: 'make'; job: MakeJob } | { kind: 'read'; job: ReadJob }
type Answer = { made: unknown } | { refused: { code: ErrorCode; detail: string; hint: string } } | { broken: string }

const jobSchema = z.object({ freeholdBackup: z.literal(true) }).loose()

/** `makeOne` in a thread of its own: scrypt, gzip and the cipher would hold up everybody else. Rejects as it does, or when aborted. */
export async function makeInThread(job: MakeJob, signal?: AbortSignal): Promise<MadeBackup> {
  return (await inThread({ kind: 'make', job }, signal)) as MadeBackup
}

/** `readSealed` in a thread of its own. */
export async function readInThread(job: ReadJob, signal?: AbortSignal): Promise<Manifest> {
  return (await inThread({ kind: 'read', job }, signal)) as Manifest
}

async function inThread(job: Job, signal?: AbortSignal): Promise<unknown> {
  signal?.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { freeholdBackup: true, ...job },
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  })
  const abort = () => reject(new AppError({ code: 'timed-out', detail: 'The backup was ended before it was whole.' }))
  signal?.addEventListener('abort', abort, { once: true })
  worker.once('message', resolve)
  worker.once('error', reject)
  worker.once('exit', () => reject(new Error('the thread of the backup ended without an answer')))
  try {
    const answer = await promise
    if ('made' in answer) return answer.made
    if ('refused' in answer) throw new AppError(answer.refused)
    throw new Error(answer.broken)
  } finally {
    signal?.removeEventListener('abort', abort)
    await worker.terminate()
  }
}

async function work(job: Job): Promise<Answer> {
  try {
    return { made: job.kind === 'make' ? await makeOne(job.job) : await readSealed(job.job.path, job.job.open, job.job.unpackTo) }
  } catch (error) {
    if (error instanceof AppError && error.code in errorCatalogue) {
      return { refused: { code: error.code, detail: error.detail, hint: error.hint } }
    }
    return { broken: error instanceof Error ? `${error.name}: ${error.message}` : 'unknown' }
  }
}

// this file is also what the thread runs
if (parentPort !== null && jobSchema.safeParse(workerData).success) {
  const port = parentPort
  void work(workerData as Job).then((answer) => port.postMessage(answer))
}
