import { readFile, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { run, runOrFail } from '../hypervisor/libvirt/run.ts'
import { bridgeName, gatewayLinkLocal, tapNameOf, tapPrefix } from '../network/guest-addresses.ts'
import { bitsToIpv6, ipv4ToNumber, ipv6ToBits, numberToIpv4 } from '../network/ip.ts'
import type { GuestNet, HostTap } from './verbs.ts'

/** Given to the bridge for good: it would take the lowest of its ports else, and change under the guests. */
const bridgeMac = '52:55:0a:4d:00:01'

const linkSchema = z.object({
  ifname: z.string(),
  address: z.string().optional(),
  master: z.string().optional(),
  linkinfo: z
    .object({
      info_kind: z.string().optional(),
      info_data: z.object({ user: z.union([z.string(), z.number()]).optional(), type: z.string().optional() }).optional(),
    })
    .optional(),
})
const addressSchema = z.object({
  ifname: z.string(),
  address: z.string().optional(),
  addr_info: z.array(z.object({ family: z.string(), local: z.string().optional(), prefixlen: z.number() })),
})
const routeSchema = z.object({ dst: z.string(), dev: z.string().optional(), gateway: z.string().optional() })

/**
 * Makes bridge and taps as they are to be; takes away taps of ours that are not named. With a card in the guests' network the
 * card is the bridge's only port and there are no taps. Other links are not looked at.
 */
export async function setLinks(net: GuestNet, guests: readonly HostTap[], owner: number): Promise<void> {
  await setBridge(net)
  await setCard(net.card)
  const taps = net.card === undefined ? guests : []
  const present = new Map((await links()).filter(isTap).map((link) => [link.ifname, link]))
  const wanted = new Set(taps.map((tap) => tapNameOf(tap)))
  const batch: string[] = []
  for (const name of [...present.keys()]) {
    // one that another user may open is none of ours, whatever it is called
    if (wanted.has(name) && (await ownerOf(name)) === owner) continue
    batch.push(`link delete dev ${name}`)
    present.delete(name)
  }
  for (const name of wanted) {
    if (!present.has(name)) batch.push(`tuntap add dev ${name} mode tap user ${owner}`)
    // isolated before it is up: no frame passes between two tenants in between
    if (present.get(name)?.master !== bridgeName) batch.push(`link set dev ${name} master ${bridgeName}`)
    batch.push(`link set dev ${name} type bridge_slave isolated on mcast_flood on flood on`, `link set dev ${name} up`)
  }
  await ipBatch('set the taps', batch)
  for (const name of wanted) await sysctl(`net/ipv6/conf/${name}/disable_ipv6`, '1')
  await setIpv6Routes(net, guests)
}

/** The card with this MAC becomes a port of the bridge; one that was it and is not named is let go. */
async function setCard(mac: string | undefined): Promise<void> {
  const all = (await links()).filter((link) => !isTap(link) && !isBridge(link))
  // a tunnel has no MAC: where no card is named none is found
  const wanted = mac === undefined ? undefined : all.find((link) => link.address === mac)?.ifname
  const batch = all
    .filter((link) => link.master === bridgeName && link.ifname !== wanted)
    .map(({ ifname }) => `link set dev ${ifname} nomaster`)
  if (wanted !== undefined) {
    // it has no word of its own in that network: the bridge speaks there
    await sysctl(`net/ipv6/conf/${wanted}/disable_ipv6`, '1')
    batch.push(`link set dev ${wanted} master ${bridgeName}`, `link set dev ${wanted} up`)
  }
  await ipBatch('set the card of the guests', batch)
}

/** Who may open a tap; undefined if it went meanwhile. Source: drivers/net/tun.c, attribute `owner`. */
async function ownerOf(name: string): Promise<number | undefined> {
  return await readFile(`/sys/class/net/${name}/owner`, 'utf8').then(Number, () => undefined)
}

/** Takes away all that is ours, by name. */
export async function removeLinks(): Promise<void> {
  const ours = (await links()).filter((link) => isTap(link) || isBridge(link))
  await ipBatch(
    'remove the taps',
    ours.map(({ ifname }) => `link delete dev ${ifname}`),
  )
}

/** Networks that the machine itself is in, without those of the guests. */
export async function ownNetworks(): Promise<{ own4: string[]; own6: string[] }> {
  const all = z.array(addressSchema).parse(JSON.parse(await ip('read the addresses', ['-j', 'addr'])))
  const own = all
    .filter(({ ifname }) => ifname !== 'lo' && ifname !== bridgeName && !ifname.startsWith(tapPrefix))
    .flatMap((link) => link.addr_info.filter((info) => info.local !== undefined))
  const range = (size: bigint, bits: bigint, length: number): bigint =>
    (bits >> (size - BigInt(length))) << (size - BigInt(length))
  const of4 = own.filter((info) => info.family === 'inet')
  const of6 = own.filter((info) => info.family === 'inet6' && !/^fe80:/i.test(info.local ?? ''))
  return {
    own4: unique(
      of4.map(({ local = '', prefixlen }) => {
        const first = range(32n, BigInt(ipv4ToNumber(local)), prefixlen)
        return `${numberToIpv4(Number(first))}/${prefixlen}`
      }),
    ),
    own6: unique(of6.map(({ local = '', prefixlen }) => `${bitsToIpv6(range(128n, ipv6ToBits(local), prefixlen))}/${prefixlen}`)),
  }
}

/** A card of the machine; `used` if the machine itself has an address there, or its way out. */
export interface OwnCard {
  mac: string
  device: string
  used: boolean
}

/** Addresses that the machine itself has or sends its own traffic to: its own, and those of its ways out. Without zones. */
export async function ownAddresses(): Promise<{ addresses: string[]; gateways: string[]; cards: OwnCard[] }> {
  const all = z.array(addressSchema).parse(JSON.parse(await ip('read the addresses', ['-j', 'addr'])))
  const own = all.filter(({ ifname }) => ifname !== bridgeName).flatMap((link) => link.addr_info.map(({ local }) => local ?? ''))
  const routes = [...(await defaultRoutes('-4')), ...(await defaultRoutes('-6'))]
  const used = (link: z.output<typeof addressSchema>) =>
    routes.some(({ dev }) => dev === link.ifname) || link.addr_info.some(({ local = '' }) => !/^fe80:/i.test(local))
  const cards = all
    .filter(({ ifname }) => ifname !== bridgeName && !ifname.startsWith(tapPrefix))
    .flatMap((link) => (link.address === undefined ? [] : [{ mac: link.address, device: link.ifname, used: used(link) }]))
  return {
    addresses: unique(own),
    gateways: unique(routes.map(({ gateway }) => gateway ?? '').filter((text) => text !== '')),
    cards,
  }
}

/** The device with this MAC, its IPv4 addresses and gateway; undefined if there is none. */
export async function deviceOf(
  mac: string,
): Promise<{ device: string; addresses: string[]; gateway: string | null } | undefined> {
  const all = z.array(addressSchema).parse(JSON.parse(await ip('read the addresses', ['-j', 'addr'])))
  const found = all.find((link) => link.address === mac && link.ifname !== bridgeName && !link.ifname.startsWith(tapPrefix))
  if (found === undefined) return undefined
  const addresses = found.addr_info.filter((i) => i.family === 'inet').map((i) => `${i.local ?? ''}/${i.prefixlen}`)
  const routes = await defaultRoutes('-4')
  return { device: found.ifname, addresses, gateway: routes.find((r) => r.dev === found.ifname)?.gateway ?? null }
}

async function setBridge(net: GuestNet): Promise<void> {
  if (!(await links()).some(isBridge)) {
    const kind = ['type', 'bridge', 'stp_state', '0', 'forward_delay', '0', 'mcast_snooping', '0']
    await ip('make the bridge', ['link', 'add', 'name', bridgeName, 'address', bridgeMac, ...kind])
  }
  const own = { accept_ra: '0', accept_dad: '0', accept_redirects: '0' }
  for (const [name, value] of Object.entries(own)) await sysctl(`net/ipv6/conf/${bridgeName}/${name}`, value)
  const own4 = { rp_filter: '1', send_redirects: '0', accept_redirects: '0' }
  for (const [name, value] of Object.entries(own4)) await sysctl(`net/ipv4/conf/${bridgeName}/${name}`, value)
  await sysctl('net/ipv4/ip_forward', '1')
  if (net.ipv6 !== null) await forwardIpv6()
  const wanted = [`${net.ipv4.gateway}/${net.ipv4.prefixLength}`, `${gatewayLinkLocal}/64`]
  const [bridge] = z
    .array(addressSchema)
    .parse(JSON.parse(await ip('read the bridge', ['-j', 'addr', 'show', 'dev', bridgeName])))
  const present = (bridge?.addr_info ?? []).map((i) => ({ text: `${i.local ?? ''}/${i.prefixlen}`, family: i.family }))
  const batch = present
    .filter((a) => a.family === 'inet' && !wanted.includes(a.text))
    .map((a) => `addr del ${a.text} dev ${bridgeName}`)
  for (const address of wanted) {
    if (!present.some((a) => a.text === address)) {
      batch.push(`addr add ${address} dev ${bridgeName}${address.includes(':') ? ' nodad' : ' brd +'}`)
    }
  }
  await ipBatch('set the bridge', [...batch, `link set dev ${bridgeName} up`])
}

/** Makes the host a router. Repeating it is safe. */
export async function forwardIpv6(): Promise<void> {
  // a router no longer listens to routers, unless it is told to: the host would lose its own way out
  for (const { dev } of await defaultRoutes('-6')) if (dev !== undefined) await sysctl(`net/ipv6/conf/${dev}/accept_ra`, '2')
  await sysctl('net/ipv6/conf/all/forwarding', '1')
}

/** A routed prefix goes to the bridge whole; of an on-link one only our VMs' addresses, each answered for on the uplink. */
async function setIpv6Routes(net: GuestNet, taps: readonly HostTap[]): Promise<void> {
  const addresses = net.ipv6?.onLink === true ? taps.flatMap((tap) => (tap.ipv6 === null ? [] : [`${tap.ipv6}/128`])) : []
  const wanted = net.ipv6 === null || net.ipv6.onLink ? addresses : [`${net.ipv6.prefix}/${net.ipv6.prefixLength}`]
  const text = await ip('read the routes', ['-j', '-6', 'route', 'show', 'dev', bridgeName, 'proto', 'static'])
  const present = z.array(routeSchema).parse(JSON.parse(text === '' ? '[]' : text))
  const full = (dst: string): string => (dst.includes('/') ? dst : `${dst}/128`)
  const gone = present.map((r) => full(r.dst)).filter((dst) => !wanted.includes(dst))
  await ipBatch('set the routes', [
    ...gone.map((dst) => `route del ${dst} dev ${bridgeName} proto static`),
    ...wanted.map((dst) => `route replace ${dst} dev ${bridgeName} proto static`),
  ])
  for (const { dev } of addresses.length + gone.length === 0 ? [] : await defaultRoutes('-6')) {
    if (dev === undefined) continue
    await sysctl(`net/ipv6/conf/${dev}/proxy_ndp`, '1')
    for (const dst of gone) await run('ip', ['-6', 'neigh', 'del', 'proxy', dst.split('/')[0] ?? '', 'dev', dev])
    await ipBatch(
      'answer for the VMs on the uplink',
      addresses.map((dst) => `neigh replace proxy ${dst.split('/')[0] ?? ''} dev ${dev}`),
    )
  }
}

async function links(): Promise<z.output<typeof linkSchema>[]> {
  return z.array(linkSchema).parse(JSON.parse(await ip('read the links', ['-j', '-d', 'link'])))
}

async function defaultRoutes(family: '-4' | '-6'): Promise<z.output<typeof routeSchema>[]> {
  const text = await ip('read the routes', ['-j', family, 'route', 'show', 'default'])
  return z.array(routeSchema).parse(JSON.parse(text.trim() === '' ? '[]' : text))
}

/** Ours by prefix *and* kind: whatever else bears such a name is somebody's mistake and stays. */
function isTap(link: z.output<typeof linkSchema>): boolean {
  return link.ifname.startsWith(tapPrefix) && link.linkinfo?.info_kind === 'tun'
}

function isBridge(link: z.output<typeof linkSchema>): boolean {
  return link.ifname === bridgeName && link.linkinfo?.info_kind === 'bridge'
}

function ip(action: string, args: readonly string[]): Promise<string> {
  return runOrFail(action, 'ip', args)
}

async function ipBatch(action: string, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await runOrFail(action, 'ip', ['-batch', '-'], { input: `${lines.join('\n')}\n`, timeoutMs: 120_000 })
}

async function sysctl(path: string, value: string): Promise<void> {
  const file = `/proc/sys/${path}`
  if ((await readFile(file, 'utf8')).trim() !== value) await writeFile(file, value)
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)].toSorted()
}
