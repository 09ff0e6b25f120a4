import type { Cidr, InterfaceAddress } from './address.ts'
import { parseCidr, parseInterfaceAddress } from './address.ts'
import { WireGuardError } from './errors.ts'
import { run, runOrFail, type RunOptions } from './run.ts'

/** Addresses, MTU and routes of one interface as the system has them. */
export interface LinkState {
  up: boolean
  mtu: number
  addresses: readonly InterfaceAddress[]
  /** Routes through the interface that carry our protocol number. */
  routes: readonly Cidr[]
}

/** Marks our routes, so that a stranger's are never taken away. Any number above 4 that /etc/iproute2/rt_protos does not name. */
export const routeProtocol = 187

/** What stands; undefined if there is no such interface. Throws `interface-refused`. */
export async function readLink(name: string, where: RunOptions = {}): Promise<LinkState | undefined> {
  // one program for each family, side by side: on a busy machine each waits for its turn
  const [four, six] = await Promise.all([readFamily(name, '-4', where), readFamily(name, '-6', where)])
  const link = six.link ?? four.link
  if (link === undefined) return undefined
  for (const { failure } of [four, six]) if (failure !== undefined) throw failure
  return {
    up: link.flags.includes('UP'),
    mtu: link.mtu,
    addresses: [...four.addresses, ...six.addresses],
    routes: [...four.routes, ...six.routes],
  }
}

interface FamilyState {
  link: { flags: string[]; mtu: number } | undefined
  addresses: InterfaceAddress[]
  routes: Cidr[]
  failure: WireGuardError | undefined
}

/** Each line of a batch answers with a list, one without entries with an empty one or with nothing: entries tell what they are. */
type Shown =
  | { dst: string }
  | { addr_info: { local?: string; prefixlen?: number; scope?: string }[] }
  | { flags: string[]; mtu: number }

async function readFamily(name: string, family: '-4' | '-6', where: RunOptions): Promise<FamilyState> {
  // the link last: after it, one call of `ip` tells no addresses any more (iproute2 6.1)
  const input = `address show dev ${name}\nroute show dev ${name} protocol ${routeProtocol}\nlink show dev ${name}\n`
  const { code, stdout, stderr } = await run('ip', [family, '-json', '-batch', '-'], { ...where, input })
  const state: FamilyState = { link: undefined, addresses: [], routes: [], failure: code === 0 ? undefined : unread(stderr) }
  const lists = stdout.split(/(?<=\])\s*(?=\[)/).filter((list) => list.trim() !== '')
  for (const shown of lists.flatMap((line) => JSON.parse(line) as Shown[])) {
    if ('dst' in shown) {
      state.routes.push(parseCidr(shown.dst === 'default' ? (family === '-4' ? '0.0.0.0/0' : '::/0') : shown.dst))
    } else if ('addr_info' in shown) {
      for (const { local, prefixlen, scope } of shown.addr_info) {
        // the kernel gives every interface a link-local address of its own
        if (local !== undefined && scope !== 'link') state.addresses.push(parseInterfaceAddress(`${local}/${prefixlen}`))
      }
    } else if ('flags' in shown) state.link = shown
  }
  return state
}

function unread(stderr: string): WireGuardError {
  const cause = new Error(stderr.trim().slice(-1000))
  return new WireGuardError(
    'interface-refused',
    'it was not possible to read addresses and routes',
    'The cause stands in the log.',
    {
      cause,
    },
  )
}

/** The lines for `ip -batch` that turn `actual` into `wanted`, additions after removals. Pure. */
export function linkBatch(name: string, wanted: Omit<LinkState, 'up'>, actual: LinkState): string[] {
  const gone = <T>(a: readonly T[], b: readonly T[]): T[] => {
    const kept = new Set(b)
    return a.filter((item) => !kept.has(item))
  }
  const route = (verb: string) => (network: Cidr) =>
    `${network.includes(':') ? '-6 ' : ''}route ${verb} ${network} dev ${name} protocol ${routeProtocol}`
  const address = (verb: string) => (one: InterfaceAddress) =>
    `address ${verb} ${one} dev ${name}${one.includes(':') && verb === 'add' ? ' nodad' : ''}`
  return [
    ...gone(actual.routes, wanted.routes).map(route('del')),
    ...gone(actual.addresses, wanted.addresses).map(address('del')),
    ...(actual.mtu === wanted.mtu ? [] : [`link set dev ${name} mtu ${wanted.mtu}`]),
    ...gone(wanted.addresses, actual.addresses).map(address('add')),
    ...(actual.up ? [] : [`link set dev ${name} up`]),
    ...gone(wanted.routes, actual.routes).map(route('replace')),
  ]
}

/** Runs the lines, those of one family in one process. `ip` ends at the first line that fails: read what stands and try again. */
export async function runBatch(lines: readonly string[], where: RunOptions = {}): Promise<void> {
  if (lines.length === 0) return
  const ofIpv6 = lines.map((line) => line.startsWith('-6 ') || /^address \S+ \S*:/.test(line))
  const isIpv4 = lines.map((line, n) => !(ofIpv6[n] ?? false) && !line.startsWith('link '))
  const bare = lines.map((line) => (line.startsWith('-6 ') ? line.slice(3) : line))
  // the order holds: addresses and the link before the routes that need them
  const six = isIpv4.includes(true) ? bare.filter((_, n) => lines[n]?.startsWith('-6 ') ?? false) : bare
  const four = isIpv4.includes(true) ? lines.filter((line) => !line.startsWith('-6 ')) : []
  if (four.length > 0) {
    await runOrFail('set addresses and routes', 'ip', ['-batch', '-'], { ...where, input: `${four.join('\n')}\n` })
  }
  if (six.length > 0) await runOrFail('set IPv6 routes', 'ip', ['-6', '-batch', '-'], { ...where, input: `${six.join('\n')}\n` })
}
