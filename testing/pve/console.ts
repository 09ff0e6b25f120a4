import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { FrameReader, encodeFrame } from '@freehold/appliance/hypervisor/proxmox/web-socket-frames'
import type { Access, Caller } from './access.ts'
import type { Given } from './check-params.ts'
import { died } from './refusal.ts'
import type { Vm, World } from './world.ts'

interface Proxy {
  vmid: number
  ticket: string
  user: string
}
const proxies = new WeakMap<World, Map<number, Proxy>>()

/** A port and ticket for the console of a VM, good for one visit. */
export function openProxy(world: World, vmid: number, user: string): { port: number; ticket: string } {
  const open = proxies.get(world) ?? new Map<number, Proxy>()
  proxies.set(world, open)
  let port = 5900
  while (open.has(port)) port++
  const ticket = `PVEVNC:${world.now().toString(16).toUpperCase()}::${randomBytes(24).toString('base64')}`
  open.set(port, { vmid, ticket, user })
  return { port, ticket }
}

/** Serves `vncwebsocket` to a terminal: `user:ticket` first, `OK` back, then length-marked input and bare output. */
export function consoleUpgrade(at: {
  world: World
  access: Access
  caller: Caller
  path: string
  given: Given
  request: IncomingMessage
  socket: Duplex
}): void {
  const { world, access, caller, request, socket } = at
  const vmid = Number(/^\/nodes\/[^/]+\/qemu\/(\d+)\/vncwebsocket$/.exec(at.path)?.[1])
  access.require(caller, `/vms/${vmid}`, 'VM.Console')
  const port = Number(at.given['port'])
  const proxy = proxies.get(world)?.get(port)
  if (proxy === undefined || proxy.vmid !== vmid || proxy.ticket !== at.given['vncticket'])
    throw died('permission denied - invalid PVEVNC ticket')
  proxies.get(world)?.delete(port)
  const key = String(request.headers['sec-websocket-key'] ?? '')
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: binary\r\n\r\n`,
  )
  const vm = world.vms.get(vmid)
  const frames = new FrameReader()
  const send = (bytes: Uint8Array) => void (socket.destroyed || socket.write(encodeFrame(2, bytes, undefined)))
  let input: Buffer = Buffer.alloc(0)
  let greeted = false
  let guest: { write(bytes: Uint8Array): void; end(): void } | undefined
  socket.on('error', () => socket.destroy())
  socket.on('close', () => guest?.end())
  socket.on('data', (chunk: Buffer) => {
    for (const frame of frames.push(chunk)) {
      if (frame.opcode === 8) {
        socket.end(encodeFrame(8, frame.payload, undefined))
        return
      }
      if (frame.opcode === 9) socket.write(encodeFrame(10, frame.payload, undefined))
      if (frame.opcode <= 2) input = Buffer.concat([input, frame.payload])
    }
    if (!greeted) {
      const line = input.indexOf('\n')
      if (line < 0) return
      if (input.subarray(0, line).toString('utf8') !== `${proxy.user}:${proxy.ticket}`) return void socket.destroy()
      input = input.subarray(line + 1)
      greeted = true
      send(Buffer.from('OK'))
      guest = openGuest(world, vm, send, () => socket.end(encodeFrame(8, Buffer.alloc(0), undefined)))
    }
    for (;;) {
      const packet = takePacket(input)
      if (packet === undefined) break
      input = packet.rest
      if (packet.bytes !== undefined) guest?.write(packet.bytes)
    }
  })
}

/** `0:LEN:bytes` is input, `1:COLS:ROWS:` a size, `2` a ping. */
function takePacket(input: Buffer): { bytes: Buffer | undefined; rest: Buffer } | undefined {
  if (input.length === 0) return undefined
  if (input[0] === 0x32) return { bytes: undefined, rest: input.subarray(1) }
  const text = input.subarray(0, 32).toString('latin1')
  const size = /^1:\d+:\d+:/.exec(text)
  if (size !== null) return { bytes: undefined, rest: input.subarray(size[0].length) }
  const data = /^0:(\d+):/.exec(text)
  if (data === null) return undefined
  const from = data[0].length
  const to = from + Number(data[1])
  return input.length < to ? undefined : { bytes: input.subarray(from, to), rest: input.subarray(to) }
}

/** The serial line of a real guest, or an echo where power is a word only. */
function openGuest(
  world: World,
  vm: Vm | undefined,
  send: (bytes: Uint8Array) => void,
  ended: () => void,
): { write(bytes: Uint8Array): void; end(): void } {
  const path = vm === undefined ? undefined : world.machines?.serialSocket(vm.vmid)
  if (path === undefined) return { write: (bytes) => send(bytes), end: () => undefined }
  const socket = connect(path)
  socket.on('error', () => socket.destroy())
  socket.on('data', send)
  socket.on('close', ended)
  return { write: (bytes) => void socket.write(bytes), end: () => void socket.destroy() }
}
