import { connect, type Socket } from 'node:net'

/** What a request came to. */
export interface RawAnswer {
  status: number
  body: Buffer
  milliseconds: number
}

/**
 * Sends requests over so many kept connections, one at a time on each, and gives the answers in the order of the requests. A load
 * generator shares the machine with what it loads: this one parses no more than status and length.
 */
export async function sendAll(port: number, requests: readonly Buffer[], connections: number): Promise<RawAnswer[]> {
  const answers: RawAnswer[] = []
  let next = 0
  async function line(): Promise<void> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    try {
      for (let n = next++; n < requests.length; n = next++) answers[n] = await exchange(socket, requests[n] ?? Buffer.alloc(0))
    } finally {
      socket.destroy()
    }
  }
  await Promise.all(Array.from({ length: Math.min(connections, requests.length) }, line))
  return answers
}

/** A POST with a JSON body, or a GET without one, as bytes. */
export function rawRequest(path: string, apiKey: string, body?: string): Buffer {
  const head = [`${body === undefined ? 'GET' : 'POST'} ${path} HTTP/1.1`, 'host: 127.0.0.1', `x-api-key: ${apiKey}`]
  const more = body === undefined ? [] : ['content-type: application/json', `content-length: ${Buffer.byteLength(body)}`]
  return Buffer.from(`${[...head, ...more].join('\r\n')}\r\n\r\n${body ?? ''}`)
}

function exchange(socket: Socket, request: Buffer): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>()
  const began = performance.now()
  const parts: Buffer[] = []
  let [held, whole, start, status] = [0, -1, 0, 0]
  const onData = (chunk: Buffer): void => {
    parts.push(chunk)
    held += chunk.length
    if (whole < 0) {
      const text = Buffer.concat(parts)
      const end = text.indexOf('\r\n\r\n')
      if (end < 0) return
      const head = text.subarray(0, end).toString('latin1')
      status = Number(head.slice(9, 12))
      start = end + 4
      whole = start + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
    }
    if (held < whole) return
    stop()
    resolve({ status, body: Buffer.concat(parts).subarray(start), milliseconds: performance.now() - began })
  }
  const onEnd = (): void => {
    stop()
    reject(new Error('the service closed the connection'))
  }
  const stop = (): void => void socket.off('data', onData).off('error', onEnd).off('close', onEnd)
  socket.on('data', onData).on('error', onEnd).on('close', onEnd)
  socket.write(request)
  return promise
}

/** The value below which this part of them lies. */
export function quantile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? Number.NaN
}
