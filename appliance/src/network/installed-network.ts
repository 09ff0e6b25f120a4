import type { z } from 'zod'
import type { Config, networkAnswer } from '../config/schema.ts'
import { embeddedPlan, type AddressPlan } from './address-plan.ts'
import { ipv4ToNumber, numberToIpv4 } from './ip.ts'

type NetworkAnswer = z.output<typeof networkAnswer>

/** Which addresses VMs of an installed host get. Without a prefix each has a port of the host besides (design.md §9). */
export function installedPlan({ ipv4, ipv6 }: NetworkAnswer, sshPorts: { from: number; to: number }): AddressPlan {
  const size = 2 ** (32 - ipv4.prefixLength)
  const network = numberToIpv4(Math.floor(ipv4ToNumber(ipv4.gateway) / size) * size)
  return { ipv4: { network, ...ipv4 }, ipv6, sshPorts: ipv6 === null ? sshPorts : null }
}

/** What the seed tells a guest of its net. */
export function guestNetOf({ ipv4, ipv6, broker }: NetworkAnswer): {
  prefixLength: number
  gateway: string
  ipv6PrefixLength: number
  announced?: boolean
} {
  return { ...ipv4, ipv6PrefixLength: ipv6?.prefixLength ?? 64, ...(broker !== null && { announced: true }) }
}

/** Ports of this host by which guests without a routed address are reached. */
const defaultSshPorts = { from: 20_000, to: 29_999 }

/** Which addresses guests get under a configuration, and what the seed tells them of their net. Pure. */
export function addressPlanOf({ mode, hypervisor, network }: Pick<Config, 'mode' | 'hypervisor' | 'network'>): {
  plan: AddressPlan
  guestNet: ReturnType<typeof guestNetOf> | null
} {
  const sshPorts = hypervisor.kind === 'libvirt' ? hypervisor.sshPorts : defaultSshPorts
  // on an installed host guests have addresses of their own, whoever runs them; user networking is embedded mode's
  if (mode === 'installed' && hypervisor.kind !== 'fake')
    return { plan: withWayIn(installedPlan(network, sshPorts), hypervisor), guestNet: guestNetOf(network) }
  return { plan: embeddedPlan(sshPorts), guestNet: null }
}

/** Ports of this host lead nowhere where it has no card in the guests' network. */
function withWayIn(plan: AddressPlan, hypervisor: Config['hypervisor']): AddressPlan {
  const leads = hypervisor.kind !== 'proxmox' || hypervisor.guestCard !== undefined
  return leads ? plan : { ...plan, sshPorts: null }
}

/** The same as the root helper takes it. `card`: the host's own in the guests' network, where another machine runs them. */
export function tapSettingsOf({ ipv4, ipv6, open }: NetworkAnswer, card?: string) {
  return {
    net: { ipv4, ipv6, ...(card !== undefined && { card }) },
    open: open.map((range) => {
      const [address = '', length = ''] = range.split('/')
      const prefixLength = Number(length)
      return address.includes(':') ? { ipv6: address, prefixLength } : { ipv4: address, prefixLength }
    }),
  }
}
