import { parseCidr, type Cidr } from 'wireguard-ts/address'
import { routesOf, type InterfaceConfig } from 'wireguard-ts/config'
import type { InterfaceChange } from 'wireguard-ts/interface'
import { publicKeyOf } from 'wireguard-ts/key'
import { encodeSet, type PeerChange } from 'wireguard-ts/uapi-codec'
import type { Change, DataPathSettings, Lease, LeaseId } from '../types.ts'
import type { MachineChange } from './machine.ts'
import type { ElementLine } from './nft-table.ts'

export interface Differences {
  settings: DataPathSettings
  leases: readonly Lease[]
  /** The text of the rules, where they must be set anew. */
  base: string | undefined
  lines: readonly ElementLine[]
  machine: readonly MachineChange[]
  /** Undefined: there is no interface yet. */
  link: InterfaceChange | undefined
  config: InterfaceConfig
}

/** Differences as the operator would write them, in the order in which they are made. Secrets are left out. Pure. */
export function changeTexts({ settings, leases, base, lines, machine, link, config }: Differences): Change[] {
  const byPrefix = new Map<Cidr, LeaseId>(leases.map((lease) => [lease.prefix, lease.id]))
  const byKey = new Map<string, LeaseId>(leases.map((lease) => [lease.peerKey, lease.id]))
  const of = (lease: LeaseId | undefined) => (lease === undefined ? {} : { lease })
  const { interfaceName } = settings
  const peers: readonly PeerChange[] = link?.device.peers ?? config.peers.map((peer) => ({ kind: 'add' as const, ...peer }))
  const links = link?.links ?? [
    `link add dev ${interfaceName} type wireguard`,
    ...config.addresses.map((one) => `address add ${one} dev ${interfaceName} nodad`),
    `link set dev ${interfaceName} mtu ${config.mtu} up`,
    ...routesOf(config).map((network) => `-6 route replace ${network} dev ${interfaceName}`),
  ]
  const device = link === undefined ? { privateKey: config.privateKey, listenPort: config.listenPort } : link.device
  return [
    ...(base === undefined ? [] : [{ part: 'nft' as const, action: 'change' as const, text: `nft -f - <<'END'\n${base}END` }]),
    ...lines.map(({ action, text, prefix }) => ({
      part: 'nft' as const,
      action,
      text: `nft '${text}'`,
      ...of(prefix === undefined ? undefined : byPrefix.get(prefix)),
    })),
    ...machine.filter((m) => m.part === 'route').map(machineText),
    ...(device.privateKey === undefined && device.listenPort === undefined
      ? []
      : [
          {
            part: 'peer' as const,
            action: 'change' as const,
            text: [
              ...(device.privateKey === undefined ? [] : [`private_key=(hidden; public ${publicKeyOf(device.privateKey)})`]),
              ...(device.listenPort === undefined ? [] : [`listen_port=${device.listenPort}`]),
            ].join('\n'),
          },
        ]),
    ...peers.map((peer) => ({
      part: 'peer' as const,
      action: peer.kind === 'update' ? ('change' as const) : peer.kind,
      text: peerText(peer),
      ...of(byKey.get(peer.publicKey)),
    })),
    ...links.map((text) => ({
      part: / route /.test(` ${text}`) ? ('route' as const) : ('address' as const),
      action: / (?:del) /.test(text) ? ('remove' as const) : ('add' as const),
      text: `ip ${text}`,
      ...of(byPrefix.get(networkIn(text))),
    })),
    ...machine.filter((m) => m.part !== 'route').map(machineText),
  ]
}

function machineText({ part, action, program, args }: MachineChange): Change {
  return { part, action, text: `${program} ${args.join(' ')}` }
}

/** The lines of the interface's own protocol, without its first and last. */
function peerText(peer: PeerChange): string {
  return encodeSet({ peers: [peer] })
    .replace(/^set=1\n/, '')
    .replaceAll(/^preshared_key=.*$/gm, 'preshared_key=(hidden)')
    .trim()
}

function networkIn(text: string): Cidr {
  const found = / route (?:replace|del) (\S+)/.exec(` ${text}`)?.[1]
  return found === undefined ? ('' as Cidr) : parseCidr(found)
}
