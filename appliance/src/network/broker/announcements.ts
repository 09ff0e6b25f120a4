import { parseCidr, type Cidr } from 'wireguard-ts/address'
import type { UnixSeconds } from '../../clock/clock.ts'
import { announcedOf } from '../guest-addresses.ts'
import { renumberSeconds, stateOf, type Tunnel } from './tunnel-state.ts'

/** One prefix as routers announce it to VMs. Source: RFC 4861 §4.6.2. */
export interface Announcement {
  prefix: Cidr
  /** Seconds during which VMs keep the address. */
  validSeconds: number
  /** Seconds during which they begin connections with it; 0: only what is open, and who calls them. */
  preferredSeconds: number
  mtu: number
}

/** Preferred for this long, so that a host that falls silent itself is not believed for ever. */
const preferredSeconds = 1800

/**
 * What VMs hear: of all tunnels that answer the nearest is preferred, the others are valid, so that whoever calls a VM reaches it by
 * each. A silent tunnel's prefix is no longer preferred at once, and comes back by itself. An unproven one is not announced.
 * Pure.
 */
export function announcementsOf(tunnels: readonly Tunnel[], now: UnixSeconds): Announcement[] {
  const shown = tunnels.map((tunnel) => ({ tunnel, state: stateOf(tunnel, now) })).filter(({ state }) => state !== 'unproven')
  const up = shown.filter(({ state }) => state === 'up')
  const near = ({ tunnel }: { tunnel: Tunnel }): number => tunnel.latencyMs ?? 60_000
  // where nothing answers the former order stands: taking the last address away helps nobody
  const [first] = up.toSorted(
    (a, b) => Math.floor(near(a) / 20) - Math.floor(near(b) / 20) || a.tunnel.addedAt - b.tunnel.addedAt,
  )
  return shown.map(({ tunnel: { grant }, state }) => ({
    prefix: parseCidr(announcedOf(grant.prefix)),
    mtu: grant.mtu,
    validSeconds: state === 'over' ? 0 : Math.max(0, Math.min(renumberSeconds, grant.graceUntil - now)),
    preferredSeconds: first?.tunnel.grant === grant ? Math.max(0, Math.min(preferredSeconds, grant.graceUntil - now)) : 0,
  }))
}

/** radvd.conf(5) for the guests' bridge. VMs make their address themselves: the prefix, and the interface id of their MAC. */
export function radvdText(bridge: string, announcements: readonly Announcement[]): string {
  const mtu = Math.min(1500, ...announcements.map((one) => one.mtu))
  const blocks = announcements.map(
    ({ prefix, validSeconds, preferredSeconds: preferred }) =>
      `  prefix ${prefix} {\n    AdvOnLink off;\n    AdvAutonomous on;\n    AdvValidLifetime ${validSeconds};\n    AdvPreferredLifetime ${preferred};\n  };\n`,
  )
  return `interface ${bridge} {
  AdvSendAdvert on;
  MinRtrAdvInterval 3;
  MaxRtrAdvInterval 10;
  AdvDefaultLifetime ${announcements.some((one) => one.validSeconds > 0) ? 1800 : 0};
  AdvLinkMTU ${mtu};
${blocks.join('')}};
`
}
