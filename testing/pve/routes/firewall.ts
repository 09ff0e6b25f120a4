import { createHash } from 'node:crypto'
import { optional, text, whole, type Context, type Routes } from '../context.ts'
import { badParameter, died } from '../refusal.ts'
import type { Firewall } from '../world.ts'

const digestOf = (what: unknown) => createHash('sha1').update(JSON.stringify(what)).digest('hex')
const notOptions = new Set(['node', 'vmid', 'delete', 'digest'])

/** The firewall of a VM. Its file may be written before there is a VM. */
const ofVm = (c: Context) => c.world.firewallOf(whole(c, 'vmid'))
const ofCluster = (c: Context) => c.world.clusterFirewall

function setOptions(c: Context, firewall: Firewall): void {
  for (const key of (optional(c, 'delete') ?? '').split(/[,; ]+/)) delete firewall.options[key]
  for (const [key, value] of Object.entries(c.given)) {
    if (!notOptions.has(key)) firewall.options[key] = /^[01]$/.test(String(value)) ? Number(value) : String(value)
  }
}

function addRule(c: Context, firewall: Firewall): void {
  for (const key of ['dport', 'sport']) {
    if (c.given[key] !== undefined && c.given['proto'] === undefined) {
      throw badParameter({ proto: `missing property - '${key}' requires this property` })
    }
  }
  const { node: _, vmid: __, pos, digest: ___, ...rest } = c.given as Record<string, string>
  const rule = { ...rest, enable: Number(rest['enable'] ?? 0) }
  if (pos === undefined) firewall.rules.unshift(rule)
  else firewall.rules.splice(Number(pos), 0, rule)
}

function listRules(firewall: Firewall): unknown {
  const digest = digestOf(firewall.rules)
  return firewall.rules.map((rule, pos) => {
    const address = String(rule['source'] ?? rule['dest'] ?? '')
    return { ...rule, digest, pos, ...(address !== '' && { ipversion: address.includes(':') ? 6 : 4 }) }
  })
}

function routesAt(prefix: string, of: (c: Context) => Firewall): Routes {
  return {
    [`GET ${prefix}/options`]: (c) => ({ ...of(c).options, digest: digestOf(of(c).options) }),
    [`PUT ${prefix}/options`]: (c) => setOptions(c, of(c)),
    [`GET ${prefix}/rules`]: (c) => listRules(of(c)),
    [`POST ${prefix}/rules`]: (c) => addRule(c, of(c)),
    [`DELETE ${prefix}/rules/{pos}`]: (c) => void of(c).rules.splice(whole(c, 'pos'), 1),
    [`GET ${prefix}/ipset`]: (c) => [...of(c).ipsets.keys()].map((name) => ({ name, digest: 'x' })),
    [`POST ${prefix}/ipset`]: (c) => {
      const name = text(c, 'name')
      if (of(c).ipsets.has(name)) throw died(`IPSet '${name}' already exists`)
      of(c).ipsets.set(name, [])
    },
    [`GET ${prefix}/ipset/{name}`]: (c) => {
      const found = of(c).ipsets.get(text(c, 'name'))
      if (found === undefined) throw died(`no such IPSet`)
      return found.map((member) => ({ ...member, digest: digestOf(found) }))
    },
    [`POST ${prefix}/ipset/{name}`]: (c) => {
      const found = of(c).ipsets.get(text(c, 'name'))
      const cidr = text(c, 'cidr')
      if (found === undefined) throw died('no such IPSet')
      if (found.some((member) => member.cidr === cidr)) throw badParameter({ cidr: `address '${cidr}' already exists` })
      found.push({ cidr })
    },
    [`DELETE ${prefix}/ipset/{name}/{cidr}`]: (c) => {
      const found = of(c).ipsets.get(text(c, 'name')) ?? []
      of(c).ipsets.set(
        text(c, 'name'),
        found.filter((member) => member.cidr !== text(c, 'cidr')),
      )
    },
    [`DELETE ${prefix}/ipset/{name}`]: (c) => {
      const name = text(c, 'name')
      if ((of(c).ipsets.get(name)?.length ?? 0) > 0) throw died(`IPSet '${name}' is not empty`)
      of(c).ipsets.delete(name)
    },
  }
}

/** Firewalls of VMs and of the datacenter. */
export const firewallRoutes: Routes = {
  ...routesAt('/nodes/{node}/qemu/{vmid}/firewall', ofVm),
  ...routesAt('/cluster/firewall', ofCluster),
}
