import type { Readable } from 'node:stream'
import { freeBytes } from './free-bytes.ts'
import { WasmRefusal } from './wasm-error.ts'

export interface BodyLength {
  /** Bytes that the request says it has; undefined where it says none. */
  declared: number | undefined
  /** Bytes at most. */
  limit: number
}

/**
 * Reads a body into a buffer of its own and gives each part back as soon as it is copied. Rejects with `PAYLOAD_TOO_LARGE` as soon
 * as it is, and where the caller goes away in the middle.
 */
export function readBody(payload: Readable, { declared, limit }: BodyLength): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const parts: Buffer[] = []
  // one that was told is as long as that: HTTP's own parser holds it to its word
  const whole = declared === undefined ? undefined : Buffer.allocUnsafeSlow(declared)
  let held = 0
  const onData = (part: Buffer): void => {
    if (held + part.length > (declared ?? limit)) return fail(new WasmRefusal('PAYLOAD_TOO_LARGE'))
    if (whole === undefined) parts.push(part)
    else part.copy(whole, held)
    held += part.length
    if (whole !== undefined) freeBytes(part)
  }
  const onEnd = (): void => {
    stop()
    resolve(whole === undefined ? Buffer.concat(parts) : whole.subarray(0, held))
  }
  const fail = (error?: Error): void => {
    stop()
    reject(error ?? new WasmRefusal('INVALID_REQUEST', { detail: 'The body ended too early.' }))
  }
  const onClose = (): void => fail()
  const stop = (): void => {
    payload.off('data', onData).off('end', onEnd).off('error', fail).off('close', onClose)
    // what still comes of one that was refused is nobody's
    payload.on('error', () => {}).resume()
  }
  payload.on('data', onData).once('end', onEnd).once('error', fail).once('close', onClose)
  return promise
}
