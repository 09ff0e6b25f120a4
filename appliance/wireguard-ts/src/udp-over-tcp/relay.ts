import type { Socket as UdpSocket } from 'node:dgram'
import type { Socket } from 'node:net'
import { frame, Unframer } from './framing.ts'

/** Beyond this much unsent data datagrams are dropped: TCP inside would rather lose a packet than wait for seconds. */
export const writeQueueBytes = 2 ** 20

export interface RelayCounters {
  toTcp: number
  toUdp: number
  dropped: number
}

export interface RelayOptions {
  /** Hands a datagram that came over TCP to the UDP side. */
  toUdp(datagram: Buffer): void
  counters: RelayCounters
  /** Milliseconds without a byte from the other side after which the connection is given up; above the 25 s keepalive. */
  silentMs: number
}

/** Ties one TCP (or TLS) connection to one UDP socket, both ways. Answers the way from UDP; the caller wires the socket's events. */
export function relay(tcp: Socket, options: RelayOptions): (datagram: Uint8Array) => void {
  const { counters } = options
  const unframer = new Unframer()
  tcp.setNoDelay(true)
  tcp.setTimeout(options.silentMs, () => tcp.destroy())
  tcp.on('data', (chunk: Buffer) => {
    for (const datagram of unframer.push(chunk)) {
      counters.toUdp += 1
      options.toUdp(datagram)
    }
  })
  return (datagram) => {
    if (tcp.destroyed || tcp.writableLength > writeQueueBytes) {
      counters.dropped += 1
      return
    }
    counters.toTcp += 1
    tcp.write(frame(datagram))
  }
}

/** Closes a UDP socket once, whatever state it is in. */
export function closeUdp(udp: UdpSocket): void {
  try {
    udp.close()
  } catch {
    // it is closed already
  }
}
