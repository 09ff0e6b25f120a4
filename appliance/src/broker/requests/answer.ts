import type { UnixSeconds } from '../../clock/clock.ts'
import type { LeaseRecord } from '../leases/record.ts'
import type { ClosedPorts } from '../types.ts'

/** What a host needs of the broker to open the tunnel. */
export interface BrokerContact {
  wireguardKey: string
  /** `host:port` of WireGuard. */
  endpoint: string
  /** The broker inside the tunnel: what the host pings. */
  address: string
  mtu: number
  /** Zone of the names, where names are served. */
  zone?: string
}

/** The lease as its host may see it. */
export interface LeaseAnswer {
  id: string
  prefix: string
  from: UnixSeconds
  until: UnixSeconds
  graceUntil: UnixSeconds
  /** Why traffic is stopped; absent: it flows. */
  suspended?: string
  closed: ClosedPorts
  rateCapBytesPerSecond?: number
  presharedKey?: string
  endedAt?: UnixSeconds
}

/** What a request that was not refused is answered with; refusals are errors with a code. */
export interface Answer {
  v: 1
  lease: LeaseAnswer
  broker: BrokerContact
}

export function answerOf(record: LeaseRecord, broker: BrokerContact): Answer {
  return {
    v: 1,
    lease: {
      id: record.id,
      prefix: record.prefix,
      from: record.from,
      until: record.until,
      graceUntil: record.graceUntil,
      ...(record.suspendedAt === undefined ? {} : { suspended: record.suspendedWhy ?? '' }),
      closed: record.closed,
      ...(record.rateCapBytesPerSecond === undefined ? {} : { rateCapBytesPerSecond: record.rateCapBytesPerSecond }),
      ...(record.presharedKey === undefined ? {} : { presharedKey: record.presharedKey }),
      ...(record.endedAt === undefined ? {} : { endedAt: record.endedAt }),
    },
    broker,
  }
}
