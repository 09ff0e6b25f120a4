import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { parseInterfaceName } from './config.ts'
import type { WireGuardDevice } from './device.ts'
import { WireGuardError } from './errors.ts'
import { encodeSet, GetDecoder, type DeviceChange } from './uapi-codec.ts'

const lineEnd = 10
const partBytes = 256 * 1024
const ignored = (): void => {}

/** Where userspace daemons put their sockets; the same for all network namespaces. */
export const uapiFolder = '/var/run/wireguard'

export interface UapiOptions {
  folder?: string
  /** Milliseconds for one answer. Default 10 000. */
  timeoutMs?: number
}

/**
 * Speaks to a userspace daemon over its socket: one connection that is kept, one request at a time, since the daemon reads
 * ahead. After any error the connection is closed and the next request opens another. Source: wireguard.com, "xplatform".
 */
export class UapiDevice implements WireGuardDevice {
  readonly #path: string
  readonly #timeoutMs: number
  #queue: Promise<unknown> = Promise.resolve()
  #socket: Socket | undefined
  /** Who hears the answer under way, and who is told that it will not come. */
  #hear: (part: Buffer) => void = ignored
  #broken: (why: Error) => void = ignored

  constructor(name: string, options: UapiOptions = {}) {
    this.#path = join(options.folder ?? uapiFolder, `${parseInterfaceName(name)}.sock`)
    this.#timeoutMs = options.timeoutMs ?? 10_000
  }

  async read() {
    const decoder = new GetDecoder()
    await this.#ask('get=1\n\n', (part) => decoder.push(part))
    return decoder.end()
  }

  async apply(change: DeviceChange): Promise<void> {
    let answer = ''
    await this.#ask(encodeSet(change), (part) => (answer += part.toString('latin1')))
    const errno = /^errno=(\d+)$/m.exec(answer)?.[1]
    if (errno === '0') return
    this.close()
    throw new WireGuardError(
      'interface-refused',
      `the WireGuard interface refused the change (errno ${errno ?? 'missing'})`,
      'Read what stands, then apply what is missing.',
    )
  }

  /** Whether a daemon answers. The socket's file alone says nothing: it outlives a killed daemon. */
  async alive(): Promise<boolean> {
    try {
      await this.#connected()
      return true
    } catch {
      return false
    }
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  #ask(request: string, take: (part: Buffer) => void): Promise<void> {
    const asked = this.#queue.then(() => this.#exchange(request, take))
    this.#queue = asked.catch(() => {})
    return asked
  }

  /** Hands on the answer piece by piece, each only for the time of the call; what `take` throws ends it. */
  async #exchange(request: string, take: (part: Buffer) => void): Promise<void> {
    const socket = await this.#connected()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    let last = 0
    this.#hear = (part): void => {
      try {
        take(part)
      } catch (error) {
        return reject(error instanceof Error ? error : new Error(String(error)))
      }
      // every answer ends with a blank line and begins with a key
      if (part.at(-1) === lineEnd && (part.length > 1 ? part.at(-2) : last) === lineEnd) resolve()
      last = part.at(-1) ?? last
    }
    this.#broken = reject
    const timer = setTimeout(
      () =>
        reject(new WireGuardError('timed-out', 'the WireGuard daemon does not answer', 'Look at its log and start it again.')),
      this.#timeoutMs,
    )
    socket.write(request)
    try {
      await promise
    } catch (error) {
      this.close()
      throw error
    } finally {
      clearTimeout(timer)
      this.#hear = this.#broken = ignored
    }
  }

  async #connected(): Promise<Socket> {
    if (this.#socket !== undefined && !this.#socket.destroyed && this.#socket.readable) return this.#socket
    const { promise, resolve, reject } = Promise.withResolvers<Socket>()
    // one buffer for all answers: thousands of peers are megabytes, and a new piece of memory for each part of them costs as much
    // time as reading it
    const buffer = Buffer.allocUnsafeSlow(partBytes)
    const callback = (count: number): boolean => {
      if (socket === this.#socket) this.#hear(buffer.subarray(0, count))
      return true
    }
    const socket = connect({ path: this.#path, onread: { buffer, callback } })
    const ended = (why: string, cause?: unknown): void => {
      if (socket === this.#socket) this.#broken(this.#gone(why, cause))
    }
    socket
      .once('connect', () => resolve(socket))
      .on('error', (cause) => {
        reject(this.#gone('no daemon answers', cause))
        ended('the connection broke', cause)
      })
      .on('end', () => ended('it closed the connection'))
      .on('close', () => ended('it closed the connection'))
    this.#socket = await promise
    // an idle connection must not keep the process alive
    return this.#socket.unref()
  }

  #gone(why: string, cause?: unknown): WireGuardError {
    return new WireGuardError('interface-missing', `${this.#path}: ${why}`, 'Start the daemon of the interface.', { cause })
  }
}
