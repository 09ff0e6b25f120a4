import { createSocket } from 'node:dgram'
import { createServer as createTcpServer, isIPv6, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import type { Endpoint } from '../address.ts'
import { closeUdp, relay, type RelayCounters } from './relay.ts'

export interface ServerOptions {
  listen: { host: string; port: number }
  /** The one UDP target, an address: never chosen by who connects. */
  target: Endpoint
  /** With key and certificate: TLS. Without: bare TCP; what is inside is encrypted either way. */
  tls?: TlsOptions
  /** Connections of one address at once. Default 8. */
  perSource?: number
  /** Connections in all. Default 1000. */
  inAll?: number
  /** Milliseconds of silence after which a connection is closed. Default 120 000. */
  silentMs?: number
}

export interface UdpOverTcpServer {
  readonly port: number
  readonly counters: RelayCounters & { refused: number }
  readonly connections: number
  close(): Promise<void>
}

/** Takes framed datagrams over TCP and hands them to a fixed UDP target, with one UDP socket for each connection. */
export async function serveUdpOverTcp(options: ServerOptions): Promise<UdpOverTcpServer> {
  const open = new Map<Socket, string>()
  const counters = { toTcp: 0, toUdp: 0, dropped: 0, refused: 0 }
  const accept = (tcp: Socket): void => {
    const source = tcp.remoteAddress ?? ''
    const fromHere = [...open.values()].filter((address) => address === source).length
    if (fromHere >= (options.perSource ?? 8) || open.size >= (options.inAll ?? 1000)) {
      counters.refused += 1
      tcp.destroy()
      return
    }
    open.set(tcp, source)
    const udp = createSocket(isIPv6(options.target.host) ? 'udp6' : 'udp4')
    const send = relay(tcp, {
      counters,
      silentMs: options.silentMs ?? 120_000,
      toUdp: (datagram) => udp.send(datagram, options.target.port, options.target.host, () => {}),
    })
    udp.on('message', (datagram, { port }) => {
      if (port === options.target.port) send(datagram)
    })
    udp.on('error', () => tcp.destroy())
    tcp
      .on('error', () => {})
      .on('close', () => {
        open.delete(tcp)
        closeUdp(udp)
      })
  }
  const server: Server = options.tls === undefined ? createTcpServer(accept) : createTlsServer(options.tls, accept)
  server.on('tlsClientError', () => (counters.refused += 1))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.listen.port, options.listen.host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    counters,
    get connections() {
      return open.size
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const tcp of open.keys()) tcp.destroy()
      }),
  }
}
