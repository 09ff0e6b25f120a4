import { createHash, randomBytes } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { AppError } from '../../errors/app-error.ts'
import type { ConsoleStream } from '../port.ts'
import { termproxy } from './answers.ts'
import type { ApiToken, Way } from './open-client.ts'
import { PinnedTls } from './pinned-tls.ts'
import { PveError } from './pve-error.ts'
import type { PveServer } from './server.ts'
import { encodeFrame, FrameReader } from './web-socket-frames.ts'

const openMs = 15_000
/** An idle connection is dropped by the server; a ping keeps it. */
const pingMs = 30_000

/**
 * The serial console: `termproxy` gives port and ticket, `vncwebsocket` carries the bytes. Input is sent as `0:LENGTH:bytes`,
 * output comes bare. Source: the terminal of pve-manager. Throws `not-in-this-state`, PveError.
 */
export async function openConsole(
  server: PveServer,
  access: { ways: readonly Way[]; token: ApiToken },
  vm: { node: string; vmid: number },
): Promise<ConsoleStream> {
  const path = `/nodes/${vm.node}/qemu/${vm.vmid}`
  let proxy
  try {
    proxy = await server.client.post(`${path}/termproxy`, termproxy, { serial: 'serial0' })
  } catch (error) {
    if (!(error instanceof PveError) || !/not running/.test(error.reason)) throw error
    throw new AppError({ code: 'not-in-this-state', detail: 'The console is there while the VM runs.', cause: error })
  }
  const query = `port=${encodeURIComponent(proxy.port)}&vncticket=${encodeURIComponent(proxy.ticket)}`
  const { socket, rest } = await upgrade(access, `/api2/json${path}/vncwebsocket?${query}`)
  return await greet(socket, rest, `${proxy.user}:${proxy.ticket}\n`, server.pace)
}

async function upgrade(
  access: { ways: readonly Way[]; token: ApiToken },
  path: string,
): Promise<{ socket: TLSSocket; rest: Buffer }> {
  let last: unknown
  for (const { endpoint, pin } of access.ways) {
    let socket: TLSSocket
    try {
      socket = await new PinnedTls(endpoint, pin).open()
    } catch (error) {
      if (error instanceof AppError) throw error
      last = error
      continue
    }
    const key = randomBytes(16).toString('base64')
    socket.write(
      [
        `GET ${path} HTTP/1.1`,
        `Host: ${endpoint.host}:${endpoint.port}`,
        `Authorization: PVEAPIToken=${access.token.id}=${access.token.secret}`,
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        `Sec-WebSocket-Key: ${key}`,
        'Sec-WebSocket-Protocol: binary',
        '\r\n',
      ].join('\r\n'),
    )
    return { socket, rest: await readHead(socket, key) }
  }
  throw new PveError({ kind: 'unreachable', call: 'GET vncwebsocket', reason: 'no node can be reached', cause: last })
}

/** The answer to the upgrade; what follows it is the first of the stream. */
async function readHead(socket: TLSSocket, key: string): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  let head = Buffer.alloc(0)
  const fail = (reason: string) => {
    socket.destroy()
    reject(new PveError({ kind: 'unknown-outcome', call: 'GET vncwebsocket', reason }))
  }
  const timer = setTimeout(() => fail('no answer'), openMs)
  const onData = (chunk: Buffer) => {
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return void (head.length > 16_384 && fail('the answer is too long'))
    const text = head.subarray(0, end).toString('latin1')
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
    socket.off('data', onData)
    socket.pause()
    if (!text.startsWith('HTTP/1.1 101 ') || !text.includes(accept)) return fail(text.split('\r\n')[0] ?? '')
    return resolve(head.subarray(end + 4))
  }
  socket.on('data', onData)
  socket.once('close', () => fail('cut'))
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    socket.removeAllListeners('close')
  }
}

/** Says who we are to the terminal; the stream begins after its `OK`. */
async function greet(socket: TLSSocket, rest: Buffer, hello: string, pace: number): Promise<ConsoleStream> {
  const frames = new FrameReader()
  const { promise, resolve, reject } = Promise.withResolvers<ConsoleStream>()
  const listeners: ((bytes: Uint8Array) => void)[] = []
  const closers: (() => void)[] = []
  let early: Buffer[] = []
  let greeted = ''
  let open = false
  let closed = false
  const send = (opcode: number, bytes: Uint8Array) => void (closed || socket.write(encodeFrame(opcode, bytes, randomBytes(4))))
  const timer = setTimeout(() => end(), openMs)
  const pinger = setInterval(() => send(2, Buffer.from('2')), Math.max(1000, pingMs * Math.max(pace, 0.1)))
  pinger.unref()
  function end(): void {
    if (closed) return
    closed = true
    clearTimeout(timer)
    clearInterval(pinger)
    socket.destroy()
    if (!open)
      reject(new AppError({ code: 'not-in-this-state', detail: 'The console did not open.', hint: 'Try again in a moment.' }))
    for (const closer of closers) closer()
  }
  function output(bytes: Buffer): void {
    if (bytes.length === 0) return
    if (listeners.length === 0) early.push(bytes)
    for (const listener of listeners) listener(bytes)
  }
  function take(payload: Buffer): void {
    if (open) return output(payload)
    greeted += payload.toString('latin1')
    if (greeted.length < 2) return
    if (!greeted.startsWith('OK')) return end()
    open = true
    clearTimeout(timer)
    resolve({
      onData(listener) {
        listeners.push(listener)
        for (const bytes of early) listener(bytes)
        early = []
      },
      write: (bytes) => send(2, Buffer.concat([Buffer.from(`0:${bytes.length}:`), bytes])),
      onClose: (listener) => void (closed ? queueMicrotask(listener) : closers.push(listener)),
      close: end,
    })
    return output(Buffer.from(greeted.slice(2), 'latin1'))
  }
  const onBytes = (chunk: Uint8Array) => {
    try {
      for (const { opcode, payload } of frames.push(chunk)) {
        if (opcode === 8) return end()
        if (opcode === 9) send(10, payload)
        else if (opcode <= 2) take(payload)
      }
    } catch {
      end()
    }
  }
  socket.on('data', onBytes)
  socket.on('close', end)
  onBytes(rest)
  send(1, Buffer.from(hello))
  socket.resume()
  return await promise
}
