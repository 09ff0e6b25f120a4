import { spawn } from 'node:child_process'
import type { Cidr } from 'wireguard-ts/address'
import type { WireGuardDevice } from 'wireguard-ts/device'
import { KernelDevice } from 'wireguard-ts/kernel-device'
import { readLink, routeProtocol } from 'wireguard-ts/links'
import { run, runOrFail, type RunOptions } from 'wireguard-ts/run'
import { UapiDevice } from 'wireguard-ts/uapi-device'
import { ipv6ToBits, bitsToIpv6 } from '../../network/ip.ts'
import type { DataPathSettings } from '../types.ts'
import { lengthOf } from './check-leases.ts'

/** A difference found in the machine's own settings, and the command that ends it. */
export interface MachineChange {
  part: 'route' | 'ndp' | 'sysctl' | 'address'
  action: 'add' | 'remove' | 'change'
  program: 'ip' | 'sysctl'
  args: readonly string[]
}

/** Behind the routes of leases and of the uplink itself: what nobody has answers "no route" and never goes in circles. */
const lastResort = '4096'

/** Missing unreachable route of the pool. */
export async function poolRoute(pool: Cidr, where: RunOptions): Promise<MachineChange[]> {
  const shown = await run('ip', ['-6', '-json', 'route', 'show', 'type', 'unreachable'], where)
  const found =
    shown.code === 0 && shown.stdout.trim() !== '' ? (JSON.parse(shown.stdout) as { dst: string; metric?: number }[]) : []
  if (found.some((route) => route.dst === pool && String(route.metric) === lastResort)) return []
  const args = ['-6', 'route', 'replace', 'unreachable', pool, 'metric', lastResort, 'protocol', String(routeProtocol)]
  return [{ part: 'route', action: 'add', program: 'ip', args }]
}

/** Sysctls that must hold: forwarding last, when the rules stand. */
export async function kernelSettings(settings: DataPathSettings, where: RunOptions): Promise<MachineChange[]> {
  const { uplink, mode } = settings
  const acceptRa = `net/ipv6/conf/${uplink}/accept_ra`
  const wanted: [string, string][] = [
    // forwarding ends a route that was learned by router advertisement, unless this says otherwise
    [acceptRa, '2'],
    ...(mode === 'on-link'
      ? ([
          [`net/ipv6/conf/${uplink}/proxy_ndp`, '1'],
          // the default waits up to 0.8 s before it answers for somebody else
          [`net/ipv6/neigh/${uplink}/proxy_delay`, '0'],
        ] as [string, string][])
      : []),
    ['net/ipv6/conf/all/forwarding', '1'],
  ]
  // with slashes, since the name of an uplink may hold a dot (a VLAN)
  const { stdout } = await run('grep', ['-sH', '', ...wanted.map(([name]) => `/proc/sys/${name}`)], where)
  const values = new Map([...stdout.matchAll(/^\/proc\/sys\/(.+):(.*)$/gm)].map(([, name = '', value = '']) => [name, value]))
  return wanted
    .filter(([name, value]) => values.get(name) !== value && !(name === acceptRa && values.get(name) === '0'))
    .map(([name, value]) => ({ part: 'sysctl', action: 'change', program: 'sysctl', args: ['-qw', `${name}=${value}`] }))
}

/** Neighbour entries to add and to take away, so that the uplink's neighbours find the addresses of the leases. */
export async function neighbourChanges(uplink: string, prefixes: readonly Cidr[], where: RunOptions): Promise<MachineChange[]> {
  const shown = await runOrFail('read neighbours', 'ip', ['-6', '-json', 'neighbour', 'show', 'proxy', 'dev', uplink], where)
  const has = new Set((JSON.parse(shown.trim() === '' ? '[]' : shown) as { dst: string }[]).map((entry) => entry.dst))
  const wants = new Set(prefixes.flatMap(addressesIn))
  const change = (action: 'add' | 'remove') => (address: string) => ({
    part: 'ndp' as const,
    action,
    program: 'ip' as const,
    args: ['-6', 'neighbour', action === 'add' ? 'add' : 'del', 'proxy', address, 'dev', uplink],
  })
  return [...[...has.difference(wants)].map(change('remove')), ...[...wants.difference(has)].map(change('add'))]
}

/** Runs changes; those of `ip -6` in one process. */
export async function applyMachine(changes: readonly MachineChange[], where: RunOptions): Promise<void> {
  const batch = changes.filter((c) => c.program === 'ip').map((c) => c.args.slice(1).join(' '))
  if (batch.length > 0)
    await runOrFail('set routes and neighbours', 'ip', ['-6', '-batch', '-'], { ...where, input: `${batch.join('\n')}\n` })
  for (const { args } of changes.filter((c) => c.program === 'sysctl')) await runOrFail('set the kernel', 'sysctl', args, where)
}

/**
 * The device of an interface: the kernel's where the module is, else a userspace daemon that goes on without this process.
 * Undefined: there is no interface of this name.
 */
export async function deviceOf(name: string, where: RunOptions): Promise<(WireGuardDevice & { close?(): void }) | undefined> {
  if ((await readLink(name, where)) === undefined) return undefined
  const device = new UapiDevice(name)
  if (await device.alive()) return device
  return new KernelDevice(name, where)
}

/** Makes the interface. Throws `interface-refused`. */
export async function makeInterface(name: string, where: RunOptions): Promise<void> {
  const made = await run('ip', ['link', 'add', 'dev', name, 'type', 'wireguard'], where)
  if (made.code === 0) return
  const [program, args] =
    where.namespace === undefined ? ['wireguard-go', [name]] : ['ip', ['netns', 'exec', where.namespace, 'wireguard-go', name]]
  // it goes into the background by itself when its socket stands; pipes of ours would end with us
  const child = spawn(program, args, { stdio: 'ignore', detached: true, env: { PATH: process.env['PATH'], LOG_LEVEL: 'silent' } })
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.once('error', reject).once('exit', resolve)
  const code = await promise.catch(() => -1)
  if (code !== 0 || !(await new UapiDevice(name).alive())) {
    // says what is missing in its own words
    await runOrFail('make the WireGuard interface (no kernel module, and wireguard-go did not start)', 'false', [])
  }
}

function addressesIn(prefix: Cidr): string[] {
  const first = ipv6ToBits(prefix.slice(0, prefix.indexOf('/')))
  return Array.from({ length: 2 ** (128 - lengthOf(prefix)) }, (_, i) => bitsToIpv6(first + BigInt(i)))
}
