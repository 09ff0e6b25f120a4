import { parseCidr } from 'wireguard-ts/address'
import { parsePresharedKey, parsePublicKey } from 'wireguard-ts/key'
import { z } from 'zod'
import { bitsToIpv6, ipv4ToNumber, ipv6ToBits } from '../network/ip.ts'

/** What crosses the border to the root helper: ids, addresses and MACs. No path, no name, no rule, no text of anybody. */
const installation = z.string().regex(/^[0-9a-f]{12}$/)
const tokenId = z.string().regex(/^(0|[1-9][0-9]{0,77})$/)
const mac = z.string().regex(/^52:54(:[0-9a-f]{2}){4}$/)
const ipv4 = z.string().refine(parses(ipv4ToNumber), 'an IPv4 address')
const ipv6 = z
  .string()
  .max(39)
  .refine(parses(ipv6ToBits), 'an IPv6 address')
  .transform((text) => bitsToIpv6(ipv6ToBits(text)))
const port = z.int().min(20_000).max(29_999)

const vmId = z.strictObject({ installation, tokenId })

/** The guests' nets. The host holds `gateway` and, on the bridge, `fe80::1`. */
const guestNet = z.strictObject({
  ipv4: z.strictObject({ gateway: ipv4, prefixLength: z.int().min(8).max(29) }),
  /** `onLink`: the prefix is that of the uplink itself, so the host answers for each VM there (NDP proxy). */
  ipv6: z.strictObject({ prefix: ipv6, prefixLength: z.int().min(32).max(124), onLink: z.boolean() }).nullable(),
  /** MAC of this machine's card in the guests' network, where another machine runs them: no taps are made then. */
  card: z
    .string()
    .regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/)
    .optional(),
})

const tap = z.strictObject({
  ...vmId.shape,
  mac,
  ipv4,
  ipv6: ipv6.nullable(),
  /** TCP port of the host that leads to this VM's port 22; null: none. */
  sshPort: port.nullable(),
})

const range = z.union([
  z.strictObject({ ipv4, prefixLength: z.int().min(8).max(32) }),
  z.strictObject({ ipv6, prefixLength: z.int().min(16).max(128) }),
])

const address4 = z.strictObject({ address: ipv4, prefixLength: z.int().min(8).max(31) })

/** How the machine itself is reached; the interface is named by its MAC. */
const uplink = z.strictObject({
  mac: z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/),
  ipv4: z.union([z.literal('dhcp'), z.strictObject({ ...address4.shape, gateway: ipv4 })]),
  dns: z.array(z.union([ipv4, ipv6])).max(3),
})

const prefix6 = z
  .string()
  .max(43)
  .refine(parses(parseCidr), 'a network')
  .refine((text) => text.includes(':'), 'an IPv6 network')
  .transform(parseCidr)
const tunnelId = z.string().regex(/^[0-9a-f]{12}$/)
const mtu = z.int().min(1280).max(1500)

/** A tunnel to a broker. Its private key is born and kept here; its name, rules and routes are made here. */
const tunnel = z.strictObject({
  id: tunnelId,
  prefix: prefix6,
  publicKey: z.string().max(44).refine(parses(parsePublicKey), 'a key').transform(parsePublicKey),
  presharedKey: z.string().max(44).refine(parses(parsePresharedKey), 'a key').transform(parsePresharedKey).optional(),
  endpoint: z.strictObject({ host: z.union([ipv4, ipv6]), port: z.int().min(1).max(65_535) }),
  gateway: ipv6,
  mtu,
})

/** One prefix as guests hear of it. */
const announcement = z.strictObject({
  prefix: prefix6,
  validSeconds: z.int().min(0).max(0xffff_ffff),
  preferredSeconds: z.int().min(0).max(0xffff_ffff),
  mtu,
})

/** Units that may be restarted by name; the helper knows their systemd names. */
export const restartable = ['daemon', 'web', 'hypervisor', 'caddy'] as const

/** Every verb with its one argument. Unknown fields are refused. */
export const verbs = {
  /** All taps there are to be, with what their guests may send from; what is not named is taken away. */
  setTaps: z.strictObject({ net: guestNet, taps: z.array(tap).max(20_000) }),
  /** Ranges that guests may reach although they are private. Replaces the former list. */
  setFirewall: z.strictObject({ open: z.array(range).max(100) }),
  /** Changes the uplink for `seconds`; without `confirmNetwork` in time all is as before. */
  tryNetwork: z.strictObject({ uplink, seconds: z.int().min(1).max(600) }),
  /** Keeps what `tryNetwork` tried; `trial` is its answer. */
  confirmNetwork: z.strictObject({ trial: z.uuid() }),
  /** Ends the connections that outsiders have to port 22 of this VM. */
  cutConnections: vmId,
  /** The public half of the key for a broker; the same at each call. */
  tunnelKey: z.strictObject({ id: tunnelId }),
  /** All tunnels there are to be; what is not named is taken away. */
  setTunnels: z.strictObject({ tunnels: z.array(tunnel).max(8) }),
  /** What guests hear of prefixes. Replaces what they heard before. */
  announce: z.strictObject({ announcements: z.array(announcement).max(8) }),
  restartUnit: z.strictObject({ unit: z.enum(restartable) }),
  /** WASM hosting on or off: its configuration file with all defaults, unless there is one, and its units. */
  setWasm: z.strictObject({ enabled: z.boolean() }),
  startUpdate: z.strictObject({}),
  /** The host's identity must be repeated: nothing starts this by accident. */
  factoryReset: z.strictObject({ machine: z.string().regex(/^[0-9a-f]{32}$/) }),
} as const

export type Verb = keyof typeof verbs
export type Argument<V extends Verb> = z.output<(typeof verbs)[V]>
export type VmName = z.output<typeof vmId>
export type HostTap = z.output<typeof tap>
export type GuestNet = z.output<typeof guestNet>
export type OpenRange = z.output<typeof range>
export type Uplink = z.output<typeof uplink>

/** What each verb answers. */
export interface Answers {
  /** Name of the tap of each VM, in the order given. */
  setTaps: { taps: string[] }
  setFirewall: Record<string, never>
  tryNetwork: { trial: string; until: number }
  confirmNetwork: Record<string, never>
  cutConnections: Record<string, never>
  tunnelKey: { publicKey: string }
  setTunnels: Record<string, never>
  announce: Record<string, never>
  restartUnit: Record<string, never>
  setWasm: Record<string, never>
  startUpdate: Record<string, never>
  factoryReset: Record<string, never>
}

/** One line of JSON each way; one verb per connection. */
export const requestSchema = z.strictObject({ verb: z.enum(Object.keys(verbs) as [Verb, ...Verb[]]), argument: z.unknown() })

/** More than this is no request: 20,000 taps are below 4 MiB. */
export const maxRequestBytes = 4 * 2 ** 20

function parses(parse: (text: string) => unknown): (text: string) => boolean {
  return (text) => {
    try {
      parse(text)
      return true
    } catch {
      return false
    }
  }
}
