import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { parseInterfaceName } from './config.ts'
import type { WireGuardDevice } from './device.ts'
import { WireGuardError } from './errors.ts'
import { encodeSet, GetDecoder, type DeviceChange } from './uapi-codec.ts'

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
    await this.#ask(encodeSet(change), (part) => (answer += part))
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

  #ask(request: string, take: (part: string) => void): Promise<void> {
    const asked = this.#queue.then(() => this.#exchange(request, take))
    this.#queue = asked.catch(() => {})
    return asked
  }

  /** Hands on the answer piece by piece; what `take` throws ends it. */
  async #exchange(request: string, take: (part: string) => void): Promise<void> {
    const socket = await this.#connected()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    let tail = ''
    const onData = (chunk: Buffer): void => {
      // the interface speaks ASCII
      const part = chunk.toString('latin1')
      try {
        take(part)
      } catch (error) {
        return reject(error instanceof Error ? error : new Error(String(error)))
      }
      tail = (tail + part.slice(-2)).slice(-2)
      // every answer ends with a blank line and begins with a key
      if (tail === '\n\n') resolve()
    }
    const onEnd = (): void => reject(this.#gone('it closed the connection'))
    const onError = (cause: Error): void => reject(this.#gone('the connection broke', cause))
    const timer = setTimeout(
      () =>
        reject(new WireGuardError('timed-out', 'the WireGuard daemon does not answer', 'Look at its log and start it again.')),
      this.#timeoutMs,
    )
    socket.on('data', onData).on('end', onEnd).on('close', onEnd).on('error', onError)
    socket.write(request)
    try {
      await promise
    } catch (error) {
      this.close()
      throw error
    } finally {
      clearTimeout(timer)
      socket.off('data', onData).off('end', onEnd).off('close', onEnd).off('error', onError)
    }
  }

  async #connected(): Promise<Socket> {
    if (this.#socket !== undefined && !this.#socket.destroyed && this.#socket.readable) return this.#socket
    const { promise, resolve, reject } = Promise.withResolvers<Socket>()
    const socket = connect(this.#path)
    socket.once('connect', () => resolve(socket)).once('error', (cause) => reject(this.#gone('no daemon answers', cause)))
    this.#socket = await promise
    // an idle connection must not keep the process alive, nor an error of it end the process
    this.#socket.unref().on('error', () => {})
    return this.#socket
  }

  #gone(why: string, cause?: unknown): WireGuardError {
    return new WireGuardError('interface-missing', `${this.#path}: ${why}`, 'Start the daemon of the interface.', { cause })
  }
}
