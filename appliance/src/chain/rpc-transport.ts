import { longHexAnswer } from './hex-bytes.ts'

/**
 * Posts JSON and reads JSON back, of at most `maxAnswerBytes`; with `hexBytes` a long hex result comes as `HexBytes`. Throws Error of any
 * kind; the caller gives it a name.
 */
export async function postJson(
  address: string,
  body: unknown,
  { timeoutMs, maxAnswerBytes, hexBytes = false }: { timeoutMs: number; maxAnswerBytes: number; hexBytes?: boolean },
): Promise<unknown> {
  const url = new URL(address)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new Error(`${url.protocol} is not spoken here, only http and https`)
  const headers: Record<string, string> = { 'content-type': 'application/json', accept: 'application/json' }
  if (url.username !== '' || url.password !== '') {
    // fetch refuses credentials in the address
    const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
    headers['authorization'] = `Basic ${Buffer.from(credentials).toString('base64')}`
    url.username = ''
    url.password = ''
  }
  const response = await fetch(url, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(timeoutMs),
    redirect: 'error',
  })
  const bytes = await readBounded(response, maxAnswerBytes)
  const long = hexBytes ? longHexAnswer(bytes) : undefined
  if (long !== undefined) return long
  try {
    // some nodes give a JSON-RPC error under HTTP 4xx: the body decides
    const answer: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof answer === 'object' && answer !== null) return answer
  } catch {
    // told below with the status
  }
  throw new Error(`HTTP ${response.status} without a JSON-RPC answer`)
}

async function readBounded(response: Response, maxBytes: number): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    const chunk = part as Uint8Array
    bytes += chunk.length
    if (bytes > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`)
    parts.push(chunk)
  }
  return Buffer.concat(parts)
}
