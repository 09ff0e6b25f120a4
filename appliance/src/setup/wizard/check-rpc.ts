import { z } from 'zod'
import { AppError } from '../../errors/app-error.ts'

const answerSchema = z.object({ result: z.unknown().optional(), error: z.object({ message: z.string() }).optional() })
const longestAnswer = 1_000_000

/**
 * One JSON-RPC call for a live check: ten seconds, a megabyte, no redirect. Websocket addresses are asked over HTTP.
 * Throws `rpc-unreachable` naming the host only: the rest of the address may be a secret.
 */
export async function checkRpc(url: string, method: string, params: readonly unknown[], signal: AbortSignal): Promise<unknown> {
  const { host } = new URL(url)
  const unreachable = (detail: string, cause?: unknown): AppError => new AppError({ code: 'rpc-unreachable', detail, cause })
  let text: string
  try {
    const response = await fetch(url.replace(/^ws/, 'http'), {
      method: 'POST',
      redirect: 'error',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
    })
    if (response.status === 401 || response.status === 403) throw unreachable(`${host} wants a key with the request.`)
    if (response.status === 429) throw unreachable(`${host} says that it was asked too often.`)
    text = await limited(response)
  } catch (cause) {
    if (cause instanceof AppError) throw cause
    throw unreachable(`Nothing that speaks JSON-RPC answers at ${host}.`, cause)
  }
  const parsed = answerSchema.safeParse(parseJson(text))
  if (!parsed.success) throw unreachable(`What answers at ${host} is no JSON-RPC.`)
  if (parsed.data.error !== undefined) throw unreachable(`${host} refuses ${method}: ${parsed.data.error.message.slice(0, 200)}`)
  return parsed.data.result ?? null
}

async function limited(response: Response): Promise<string> {
  let size = 0
  const parts: Uint8Array[] = []
  for await (const part of response.body ?? []) {
    size += part.byteLength
    if (size > longestAnswer) throw new Error('too long')
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
