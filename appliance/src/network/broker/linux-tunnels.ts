import { createHash } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseCidr, parseInterfaceAddress, type Cidr } from 'wireguard-ts/address'
import type { WireGuardDevice } from 'wireguard-ts/device'
import { WireGuardInterface } from 'wireguard-ts/interface'
import { KernelDevice } from 'wireguard-ts/kernel-device'
import { generateKeyPair, parsePrivateKey, publicKeyOf, type PrivateKey, type PublicKey } from 'wireguard-ts/key'
import { readLink, routeProtocol } from 'wireguard-ts/links'
import { run, runOrFail, type RunOptions } from 'wireguard-ts/run'
import { UapiDevice } from 'wireguard-ts/uapi-device'
import { startUserspaceDaemon, type UserspaceDaemon } from 'wireguard-ts/userspace-daemon'
import { AppError } from '../../errors/app-error.ts'
import { bitsToIpv6, ipv6ToBits } from '../ip.ts'
import type { Announcement } from './announcements.ts'
import { endpointOf, type Grant } from './grant.ts'
import type { TunnelHost } from './ports.ts'
import { probeTimeoutSeconds } from './tunnel-state.ts'

export interface LinuxTunnelsOptions {
  /** Root's own, mode 0700: the private keys, one for each broker. */
  keyFolder: string
  /** Where the VMs are. */
  bridge: string
  /** Tells VMs what stands; radvd where it runs. */
  announce(announcements: readonly Announcement[]): Promise<void>
  namespace?: string
  allowPrivateEndpoint?: boolean
}

/** Names of ours begin so; nothing else is taken away. */
const namePrefix = 'fht'
/** Routing tables and rules of tunnels: above those of the system, below main's rule. */
const firstTable = 7700
const [toPriority, fromPriority] = [7600, 7700]
/** Slots for tunnels at once, those that run out included. */
const slots = 8

/**
 * Tunnels of this host, made true: interface, address, rules by source so that each prefix goes back through its own broker, the
 * VMs' prefix on their bridge, an unreachable route behind it. Incremental: a tunnel that stays keeps its session. Private keys are
 * born here and never leave.
 */
export function createLinuxTunnels(options: LinuxTunnelsOptions): TunnelHost & { stop(): Promise<void> } {
  const where: RunOptions = options.namespace === undefined ? {} : { namespace: options.namespace }
  const daemons = new Map<string, UserspaceDaemon>()
  const ip = (line: string) => runOrFail('set the routes of a tunnel', 'ip', ['-6', ...line.split(' ')], where)

  async function keyOf(brokerId: string): Promise<PrivateKey> {
    const file = join(options.keyFolder, `${hashOf(brokerId)}.key`)
    const kept = await readFile(file, 'utf8').catch(() => undefined)
    if (kept !== undefined) return parsePrivateKey(kept.trim())
    const { privateKey } = generateKeyPair()
    await mkdir(options.keyFolder, { recursive: true, mode: 0o700 })
    await writeFile(`${file}.new`, `${privateKey}\n`, { mode: 0o600, flush: true })
    await rename(`${file}.new`, file)
    return privateKey
  }

  async function deviceFor(name: string): Promise<WireGuardDevice> {
    const running = daemons.get(name)
    if (running !== undefined && (await running.device.alive())) return running.device
    if ((await readLink(name, where)) === undefined) {
      const made = await run('ip', ['link', 'add', 'dev', name, 'type', 'wireguard'], where)
      if (made.code !== 0) {
        const daemon = await startUserspaceDaemon(name, where)
        daemons.set(name, daemon)
        return daemon.device
      }
    }
    const device = new UapiDevice(name)
    return (await device.alive()) ? device : new KernelDevice(name, where)
  }

  /** Rules that stand: priority, text of the selector, table. */
  async function rules(): Promise<string[]> {
    const shown = await runOrFail('read the routing rules', 'ip', ['-6', '-json', 'rule', 'show'], where)
    type Rule = { priority: number; src?: string; srclen?: number; dst?: string; dstlen?: number; table: string }
    return (JSON.parse(shown) as Rule[])
      .filter(({ priority }) => priority >= toPriority && priority < fromPriority + slots)
      .map(({ priority, src = 'all', srclen, dst, dstlen, table }) =>
        [
          `priority ${priority} from ${src}${srclen === undefined ? '' : `/${srclen}`}`,
          ...(dst === undefined ? [] : [`to ${dst}/${dstlen ?? 128}`]),
          `table ${table}`,
        ].join(' '),
      )
  }

  async function setTunnels(grants: readonly Grant[]): Promise<void> {
    const names = grants.map((grant) => nameOf(grant.broker.id))
    for (const [name, daemon] of daemons) {
      if (names.includes(name)) continue
      await daemon.stop()
      daemons.delete(name)
    }
    if (grants.length > slots)
      throw new AppError({ code: 'capacity-exceeded', detail: `${grants.length} tunnels; ${slots} fit.` })
    const wantedRules: string[] = []
    for (const [slot, grant] of grants.entries()) {
      const name = nameOf(grant.broker.id)
      const endpoint = await endpointOf(grant.endpoint, {
        lookUp,
        ...(options.allowPrivateEndpoint === true && { allowPrivateEndpoint: true }),
      })
      const device = await deviceFor(name)
      await new WireGuardInterface({ name, device, ...where }).set({
        privateKey: await keyOf(grant.broker.id),
        mtu: grant.mtu,
        // what the host itself has to say about its prefix is said from here
        addresses: [parseInterfaceAddress(`${ownAddress(grant.prefix)}/128`)],
        routes: [parseCidr(grant.gateway)],
        peers: [
          {
            publicKey: grant.publicKey,
            endpoint,
            allowedIps: [parseCidr('::/0')],
            persistentKeepaliveSeconds: 25,
            ...(grant.presharedKey !== undefined && { presharedKey: grant.presharedKey }),
          },
        ],
      })
      const table = firstTable + slot
      await ip(`route replace default dev ${name} table ${table}`)
      // with the tunnel down nothing of the VMs leaves by the host's own line
      await ip(`route replace unreachable default metric 4096 table ${table}`)
      await ip(`route replace ${grant.prefix} dev ${options.bridge} metric 1025 protocol ${routeProtocol}`)
      await ip(`route replace unreachable ${grant.prefix} metric 4096 protocol ${routeProtocol}`)
      wantedRules.push(`priority ${toPriority + slot} from all to ${grant.prefix} table main`)
      wantedRules.push(`priority ${fromPriority + slot} from ${grant.prefix} table ${table}`)
    }
    const standing = await rules()
    for (const rule of standing.filter((text) => !wantedRules.includes(text))) await ip(`rule del ${rule}`)
    for (const rule of wantedRules.filter((text) => !standing.includes(text))) await ip(`rule add ${rule}`)
    for (let slot = grants.length; slot < slots; slot += 1) {
      await run('ip', ['-6', 'route', 'flush', 'table', String(firstTable + slot)], where)
    }
    await forget(grants.map((grant) => grant.prefix))
  }

  /** Takes away the routes of prefixes that are gone. */
  async function forget(prefixes: readonly Cidr[]): Promise<void> {
    const shown = await runOrFail('read routes', 'ip', ['-6', '-json', 'route', 'show', 'protocol', String(routeProtocol)], where)
    for (const { dst, dev, type } of JSON.parse(shown.trim() === '' ? '[]' : shown) as {
      dst: string
      dev: string
      type?: string
    }[]) {
      const ours = dev === options.bridge || type === 'unreachable'
      if (ours && dst.includes('/') && !prefixes.includes(parseCidr(dst))) {
        await ip(`route del ${type === 'unreachable' ? `unreachable ${dst}` : `${dst} dev ${dev}`} protocol ${routeProtocol}`)
      }
    }
  }

  return {
    async publicKey(brokerId): Promise<PublicKey> {
      return publicKeyOf(await keyOf(brokerId))
    },
    setTunnels,
    announce: options.announce,
    async probe({ gateway, broker }) {
      const from = ['-I', nameOf(broker.id)]
      const { code, stdout } = await run(
        'ping',
        ['-6', '-n', '-c', '1', '-W', String(probeTimeoutSeconds), ...from, gateway],
        where,
      )
      const ms = /time=([\d.]+) ms/.exec(stdout)?.[1]
      return code === 0 && ms !== undefined ? Number(ms) : undefined
    },
    async ownNetworks() {
      const shown = await runOrFail('read addresses', 'ip', ['-json', 'address', 'show'], where)
      const links = JSON.parse(shown) as { ifname: string; addr_info?: { local: string; prefixlen: number; scope: string }[] }[]
      return links
        .filter(({ ifname }) => !ifname.startsWith(namePrefix))
        .flatMap(({ addr_info = [] }) => addr_info.filter((a) => a.scope === 'global'))
        .map((a) => parseCidr(`${a.local}/${a.prefixlen}`))
    },
    lookUp,
    async stop() {
      for (const daemon of daemons.values()) await daemon.stop()
      daemons.clear()
    },
  }
}

/** At most 15 characters, the same at each start. */
export function nameOf(brokerId: string): string {
  return `${namePrefix}${hashOf(brokerId)}`
}

/**
 * The host's own address in a prefix, which no VM ever gets: contract index 0xffff in prefixes of /64 and shorter, else index 1 of the
 * allocation table (`address-plan.ts`). `::1` would be the VM of token 1.
 */
export function ownAddress(prefix: Cidr): string {
  const [address = '', length] = prefix.split('/')
  return bitsToIpv6(ipv6ToBits(address) | (Number(length) <= 64 ? 0xffff_0000_0000_0001n : 1n))
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}

/** All addresses of a name, within five seconds: a name that resolves late must not hold up the other tunnels. */
async function lookUp(name: string): Promise<string[]> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error('the look-up took too long')), 5000)
  try {
    return (await Promise.race([lookup(name, { all: true }), promise])).map(({ address }) => address)
  } finally {
    clearTimeout(timer)
  }
}
