import { isIPv6 } from 'node:net'
import { AppError } from '../../errors/app-error.ts'
import type { VmSpec } from '../port.ts'
import { firewallOptions, firewallRules, ipsetMembers, nothing } from './answers.ts'
import { fwAddress, fwPorts, type FwAddress, type FwPorts } from './formats.ts'
import type { ProxmoxOptions } from './options.ts'
import type { PveServer } from './server.ts'
import { z } from 'zod'

/** One rule as it is written; read back it has more keys. */
export interface Rule {
  type: 'in' | 'out'
  action: 'ACCEPT' | 'DROP'
  source?: FwAddress
  dest?: FwAddress
  proto?: 'tcp' | 'udp'
  dport?: FwPorts
  comment: string
}

/** The whole firewall of a VM: what isolates it and keeps it from speaking under other addresses. */
export interface VmFirewall {
  options: Readonly<Record<string, string | number>>
  /** Addresses that the VM may speak from. */
  addresses: readonly string[]
  /** In the order in which they are asked; the first that fits decides. */
  rules: readonly Rule[]
}

const filterSet = 'ipfilter-net0'
/** Private, link-local, CGNAT; ULA and link-local of IPv6. Source: RFC 1918, 3927, 6598, 4193, 4291. */
const closed4 = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', '100.64.0.0/10']
// fc00::/7 as two halves: the server's verdicts refuse prefix lengths below 8
const closed6 = ['fc00::/8', 'fd00::/8', 'fe80::/10']

/** The firewall that a VM gets (design §9): DNS and login endpoint of the host, the open net, nothing in between. Pure. */
export function firewallFor(
  spec: Pick<VmSpec, 'addresses'>,
  host: Pick<ProxmoxOptions, 'loginEndpoint' | 'guestNetworks'>,
): VmFirewall {
  const at = host.loginEndpoint.lastIndexOf(':')
  const gateway = fwAddress.parse(host.loginEndpoint.slice(0, at).replace(/^\[(.*)\]$/, '$1'))
  const port = host.loginEndpoint.slice(at + 1)
  const toHost = (proto: 'tcp' | 'udp', dport: string, comment: string): Rule => ({
    type: 'out',
    action: 'ACCEPT',
    dest: gateway,
    proto,
    dport: fwPorts.parse(dport),
    comment,
  })
  return {
    options: { enable: 1, dhcp: 1, ndp: 1, radv: 0, ipfilter: 1, macfilter: 1, policy_in: 'ACCEPT', policy_out: 'ACCEPT' },
    addresses: [spec.addresses.ipv4, spec.addresses.ipv6].filter((address) => address !== null),
    rules: [
      toHost('udp', '53', 'freehold: DNS'),
      toHost('tcp', '53', 'freehold: DNS'),
      toHost('tcp', port, 'freehold: login endpoint'),
      ...[...closed4, ...closed6, ...host.guestNetworks.filter(isIPv6Network)].map((dest): Rule => ({
        type: 'out',
        action: 'DROP',
        dest: fwAddress.parse(dest),
        comment: 'freehold: closed networks',
      })),
      { type: 'in', action: 'ACCEPT', source: gateway, comment: 'freehold: host' },
      ...host.guestNetworks.map((source): Rule => ({
        type: 'in',
        action: 'DROP',
        source: fwAddress.parse(source),
        comment: 'freehold: other guests',
      })),
    ],
  }
}

function isIPv6Network(network: string): boolean {
  return isIPv6(network.split('/')[0] ?? '')
}

/**
 * Writes the firewall of a VM and reads it back; what was there before the VM was goes. May be called again.
 * Throws PveError, and `process-failed` where it reads other than it was written.
 */
export async function setFirewall(server: PveServer, vm: { node: string; vmid: number }, wanted: VmFirewall): Promise<void> {
  const path = `/nodes/${vm.node}/qemu/${vm.vmid}/firewall`
  const { client } = server
  for (let round = 0; round < 2; round++) {
    if (await reads(server, path, wanted)) return
    await client.put(`${path}/options`, nothing, wanted.options)
    const sets = await client.get(`${path}/ipset`, setNames)
    if (!sets.some((set) => set.name === filterSet)) await client.post(`${path}/ipset`, nothing, { name: filterSet })
    const members = await client.get(`${path}/ipset/${filterSet}`, ipsetMembers)
    for (const { cidr } of members) {
      if (!wanted.addresses.includes(cidr)) await client.delete(`${path}/ipset/${filterSet}/${encodeURIComponent(cidr)}`, nothing)
    }
    for (const cidr of wanted.addresses) {
      if (!members.some((m) => m.cidr === cidr)) await client.post(`${path}/ipset/${filterSet}`, nothing, { cidr })
    }
    // while the rules are not complete nothing can pass under a foreign address: options and set stand
    for (const { pos } of (await client.get(`${path}/rules`, firewallRules)).toReversed()) {
      await client.delete(`${path}/rules/${pos}`, nothing)
    }
    // a rule without a place goes to the front: the last one first
    for (const rule of wanted.rules.toReversed()) await client.post(`${path}/rules`, nothing, { ...rule, enable: 1 })
  }
  if (await reads(server, path, wanted)) return
  throw new AppError({
    code: 'process-failed',
    detail: `The firewall of VM ${vm.vmid} reads other than it was written.`,
    hint: 'Look at the firewall of this VM in Proxmox; somebody else may be writing to it.',
  })
}

const setNames = z.array(z.object({ name: z.string() }))

/** True if everything reads as wanted. */
async function reads(server: PveServer, path: string, wanted: VmFirewall): Promise<boolean> {
  const { client } = server
  const options = await client.get(`${path}/options`, firewallOptions)
  const same = Object.entries(wanted.options).every(([key, value]) => String(valueOf(options[key])) === String(value))
  if (!same) return false
  const sets = await client.get(`${path}/ipset`, setNames)
  if (!sets.some((set) => set.name === filterSet)) return false
  const members = await client.get(`${path}/ipset/${filterSet}`, ipsetMembers)
  if (
    members
      .map((m) => m.cidr)
      .toSorted()
      .join() !== [...wanted.addresses].toSorted().join()
  )
    return false
  const rules = await client.get(`${path}/rules`, firewallRules)
  const text = (rule: Partial<Record<keyof Rule, unknown>>) =>
    [rule.type, rule.action, rule.source, rule.dest, rule.proto, rule.dport].join(' ')
  return rules.every((rule) => rule.enable === true) && rules.map(text).join('\n') === wanted.rules.map(text).join('\n')
}

function valueOf(value: unknown): unknown {
  return typeof value === 'boolean' ? Number(value) : value
}
