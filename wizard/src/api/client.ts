import './without-eval.ts'
import { problemSchema } from '@freehold/appliance/api/schemas/values'
import type { z } from 'zod'
import { HostFailure, PageFailure } from './failure.ts'
import { noteLink } from './link.ts'

export interface CallOptions {
  body?: unknown
  signal?: AbortSignal | undefined
  /** After how many milliseconds a read that nobody answers counts as a lost link. Default 30,000: more than a long poll waits. */
  patienceMs?: number
}

/**
 * Calls the API on our own origin and parses the answer by its schema. Every POST carries an Idempotency-Key.
 * Throws HostFailure for what the host refused, PageFailure `network` where nothing answered, `unreadable` for another form.
 */
export async function callApi<T extends z.ZodType>(
  schema: T,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  options: CallOptions = {},
): Promise<z.output<T>> {
  const headers: Record<string, string> = { accept: 'application/json' }
  if (options.body !== undefined) headers['content-type'] = 'application/json'
  if (method === 'POST') headers['idempotency-key'] = crypto.randomUUID()
  // what acts may take its time; a read that hangs would keep its page from every later one
  const signals = [
    ...(options.signal === undefined ? [] : [options.signal]),
    ...(method === 'GET' ? [AbortSignal.timeout(options.patienceMs ?? 30_000)] : []),
  ]
  let response: Response
  try {
    response = await fetch(path, {
      method,
      headers,
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
      ...(options.body !== undefined && { body: JSON.stringify(options.body) }),
      ...(signals.length > 0 && { signal: AbortSignal.any(signals) }),
    })
  } catch (cause) {
    if (options.signal?.aborted === true) throw cause
    noteLink(false)
    throw new PageFailure('network', { host: location.host }, cause)
  }
  const text = await response.text().catch(() => '')
  const body = parseJson(text)
  if (response.ok) {
    noteLink(true)
    const parsed = schema.safeParse(body)
    if (parsed.success) return parsed.data
    throw new PageFailure('unreadable', { path: path.split('?')[0] ?? path }, parsed.error)
  }
  const problem = problemSchema.safeParse(body)
  // an answer of the front server alone: the host behind it is gone
  if (!problem.success && response.status >= 502) {
    noteLink(false)
    throw new PageFailure('network', { host: location.host })
  }
  noteLink(true)
  if (problem.success) throw new HostFailure(problem.data)
  throw new PageFailure('unreadable', { path: path.split('?')[0] ?? path })
}

function parseJson(text: string): unknown {
  if (text === '') return null
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
