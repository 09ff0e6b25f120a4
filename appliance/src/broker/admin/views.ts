import type { UnixSeconds } from '../../clock/clock.ts'
import type { LeaseRecord } from '../leases/record.ts'
import { stateOf } from '../leases/state.ts'
import type { Holding } from '../store/leases.ts'
import type { LeaseCounters } from '../types.ts'

/** A lease as the operator sees it. Never a secret. */
export function leaseView(record: LeaseRecord, now: UnixSeconds, counters?: LeaseCounters): Record<string, unknown> {
  return {
    id: record.id,
    state: stateOf(record, now),
    identity: record.identity,
    contract: record.contract,
    chainId: record.chainId,
    prefix: record.prefix,
    wireguardKey: record.peerKey,
    from: iso(record.from),
    until: iso(record.until),
    graceUntil: iso(record.graceUntil),
    ...(record.endedAt === undefined ? {} : { endedAt: iso(record.endedAt), endReason: record.endReason }),
    ...(record.endedAt === undefined || record.quarantineUntil === undefined
      ? {}
      : { quarantineUntil: iso(record.quarantineUntil) }),
    ...(record.suspendedAt === undefined ? {} : { suspendedAt: iso(record.suspendedAt), suspendedWhy: record.suspendedWhy }),
    closedPorts: record.closed,
    ...(record.rateCapBytesPerSecond === undefined ? {} : { rateCapBytesPerSecond: record.rateCapBytesPerSecond }),
    ...(record.lastHandshakeAt === undefined ? {} : { lastHandshakeAt: iso(record.lastHandshakeAt) }),
    ...(counters === undefined ? {} : { bytesOut: String(counters.bytesOut), bytesIn: String(counters.bytesIn) }),
  }
}

/** Who held an address at a time, as an abuse report wants it. */
export function abuseReport(
  address: string,
  at: UnixSeconds,
  held: Holding | undefined,
  now: UnixSeconds,
): Record<string, unknown> {
  return {
    address,
    at: iso(at),
    ...(held === undefined
      ? { held: false }
      : {
          held: true,
          wireguardKeyThen: held.keyThen,
          lease: leaseView(held.lease, now),
          source: held.lines[0]?.source,
          ledger: held.lines.map((line) => ({ ...line, at: iso(line.at) })),
        }),
  }
}

export function iso(at: UnixSeconds): string {
  return new Date(at * 1000).toISOString().replace('.000Z', 'Z')
}
