import type { Cidr, InterfaceAddress } from './address.ts'
import { parseCidr, parseInterfaceAddress } from './address.ts'
import { WireGuardError } from './errors.ts'
import { run, runOrFail, type RunOptions, type RunResult } from './run.ts'

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

/** What stands; undefined if there is no such interface. */
export async function readLink(name: string, where: RunOptions = {}): Promise<LinkState | undefined> {
  // side by side: on a busy machine each program waits for its turn
  const [shown, four, six] = await Promise.all([
    run('ip', ['-json', 'address', 'show', 'dev', name], where),
    readRoutes(name, '-4', where),
    readRoutes(name, '-6', where),
  ])
  if (shown.code !== 0) return undefined
  for (const { code, stderr } of [four, six]) {
    if (code !== 0)
      throw new WireGuardError('interface-refused', 'it was not possible to read routes', 'The cause stands in the log.', {
        cause: new Error(stderr.trim().slice(-1000)),
      })
  }
  const [link] = JSON.parse(shown.stdout) as {
    mtu: number
    flags: string[]
    addr_info?: { local: string; prefixlen: number; scope: string }[]
  }[]
  const routes = [...routesIn(four.stdout, '0.0.0.0/0'), ...routesIn(six.stdout, '::/0')]
  return {
    up: link?.flags.includes('UP') ?? false,
    mtu: link?.mtu ?? 0,
    addresses: (link?.addr_info ?? [])
      // the kernel gives every interface a link-local address of its own
      .filter((info) => info.scope !== 'link')
      .map((info) => parseInterfaceAddress(`${info.local}/${info.prefixlen}`)),
    routes,
  }
}

function readRoutes(name: string, family: '-4' | '-6', where: RunOptions): Promise<RunResult> {
  return run('ip', [family, '-json', 'route', 'show', 'dev', name, 'protocol', String(routeProtocol)], where)
}

function routesIn(text: string, everywhere: string): Cidr[] {
  const found = JSON.parse(text === '' ? '[]' : text) as { dst: string }[]
  return found.map(({ dst }) => parseCidr(dst === 'default' ? everywhere : dst))
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

/** Runs the lines in one process. `ip` ends at the first line that fails: read what stands and try again. */
export async function runBatch(lines: readonly string[], where: RunOptions = {}): Promise<void> {
  if (lines.length === 0) return
  const four = lines.filter((line) => !line.startsWith('-6 '))
  const six = lines.filter((line) => line.startsWith('-6 ')).map((line) => line.slice(3))
  if (four.length > 0)
    await runOrFail('set addresses and routes', 'ip', ['-batch', '-'], { ...where, input: `${four.join('\n')}\n` })
  if (six.length > 0) await runOrFail('set IPv6 routes', 'ip', ['-6', '-batch', '-'], { ...where, input: `${six.join('\n')}\n` })
}
