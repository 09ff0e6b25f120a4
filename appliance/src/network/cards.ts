import { z } from 'zod'
import { runOrFail } from '../hypervisor/libvirt/run.ts'
import { bridgeName, tapPrefix } from './guest-addresses.ts'

/** A network card of this machine, as it stands. */
export interface Card {
  device: string
  mac: string
  /** `192.0.2.5/24`, IPv4 first. */
  addresses: string[]
  /** Where its default route of IPv4 leads. */
  gateway: string | null
  /** A cable is in it and the other end answers. */
  up: boolean
}

const linkSchema = z.object({
  ifname: z.string(),
  link_type: z.string(),
  operstate: z.string(),
  address: z.string().optional(),
  addr_info: z.array(z.object({ family: z.string(), local: z.string().optional(), prefixlen: z.number(), scope: z.string() })),
})
const routeSchema = z.object({ dst: z.string(), dev: z.string().optional(), gateway: z.string().optional() })

/** The cards that may lead out: none of the guests' own links. Needs no rights. Throws AppError where `ip` does not run. */
export async function cardsOfHost(): Promise<Card[]> {
  const links = z.array(linkSchema).parse(JSON.parse(await runOrFail('read the cards', 'ip', ['-j', 'addr'])))
  const routes = z.array(routeSchema).parse(JSON.parse((await runOrFail('read the routes', 'ip', ['-4', '-j', 'route'])) || '[]'))
  return links.flatMap((link) => {
    const { ifname, address } = link
    if (link.link_type !== 'ether' || address === undefined || ifname === bridgeName || ifname.startsWith(tapPrefix)) return []
    return [
      {
        device: ifname,
        mac: address,
        addresses: link.addr_info
          .filter((one) => one.scope !== 'link' && one.local !== undefined)
          .map((one) => `${one.local}/${one.prefixlen}`),
        gateway: routes.find((route) => route.dst === 'default' && route.dev === ifname)?.gateway ?? null,
        up: link.operstate !== 'DOWN' && link.operstate !== 'LOWERLAYERDOWN',
      },
    ]
  })
}

/** Whether a neighbour of this machine answers at an address of its own net. The kernel asks; a router that drops all else must answer that. */
export async function neighbourAnswers(address: string): Promise<boolean> {
  // any datagram makes the kernel look for the neighbour's link address
  const { createSocket } = await import('node:dgram')
  const socket = createSocket('udp4')
  socket.on('error', () => undefined)
  await new Promise<void>((done) => socket.send(Buffer.alloc(1), 9, address, () => done()))
  socket.close()
  const text = await runOrFail('read the neighbours', 'ip', ['-j', 'neigh', 'show', address])
  const found = z.array(z.object({ lladdr: z.string().optional(), state: z.array(z.string()) })).parse(JSON.parse(text || '[]'))
  return found.some((one) => one.lladdr !== undefined && !one.state.some((state) => state === 'FAILED' || state === 'INCOMPLETE'))
}
