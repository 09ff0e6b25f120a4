import { createSocket, type RemoteInfo } from 'node:dgram'
import { connect as connectTcp, isIPv6, type AddressInfo, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { closeUdp, relay, type RelayCounters } from './relay.ts'

export interface ClientOptions {
  /** Where the local WireGuard sends its packets. Default port: one that the system picks. */
  listen?: { host?: string; port?: number }
  server: { host: string; port: number }
  /** TLS to the server, with its own CA or pin in `checkServerIdentity`. */
  tls?: ConnectionOptions
  silentMs?: number
  /** Milliseconds before the first new try; doubled to a minute, with a random half. Default 1000. */
  retryMs?: number
  random?: () => number
}

export interface UdpOverTcpClient {
  /** UDP port on the loopback: the peer's endpoint. */
  readonly port: number
  readonly counters: RelayCounters & { connects: number }
  readonly connected: boolean
  close(): Promise<void>
}

/** Listens on a local UDP port and carries what comes over TCP to the server, back to whoever sent last. Reconnects by itself. */
export async function connectUdpOverTcp(options: ClientOptions): Promise<UdpOverTcpClient> {
  const host = options.listen?.host ?? '127.0.0.1'
  const udp = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  const counters = { toTcp: 0, toUdp: 0, dropped: 0, connects: 0 }
  const random = options.random ?? Math.random
  let last: RemoteInfo | undefined
  let tcp: Socket | undefined
  let send: ((datagram: Uint8Array) => void) | undefined
  let [failures, closed] = [0, false]
  let timer: NodeJS.Timeout | undefined

  function dial(): void {
    const { server, tls } = options
    const socket = tls === undefined ? connectTcp(server.port, server.host) : connectTls({ ...server, ...tls })
    tcp = socket
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      failures = 0
      counters.connects += 1
      send = relay(socket, {
        counters,
        silentMs: options.silentMs ?? 120_000,
        toUdp: (datagram) => last !== undefined && udp.send(datagram, last.port, last.address, () => {}),
      })
    })
    socket
      .on('error', () => {})
      .on('close', () => {
        send = undefined
        if (closed) return
        const wait = Math.min(60_000, (options.retryMs ?? 1000) * 2 ** failures)
        failures += 1
        timer = setTimeout(dial, wait / 2 + (random() * wait) / 2)
      })
  }

  udp.on('message', (datagram, from) => {
    last = from
    if (send === undefined) counters.dropped += 1
    else send(datagram)
  })
  await new Promise<void>((resolve, reject) => {
    udp.once('error', reject)
    udp.bind(options.listen?.port ?? 0, host, resolve)
  })
  dial()
  return {
    port: (udp.address() as AddressInfo).port,
    counters,
    get connected() {
      return send !== undefined
    },
    async close() {
      closed = true
      clearTimeout(timer)
      tcp?.destroy()
      await new Promise<void>((resolve) => {
        udp.once('close', () => resolve())
        closeUdp(udp)
      })
    },
  }
}
