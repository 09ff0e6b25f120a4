import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseCidr, parseInterfaceAddress, type Cidr } from 'wireguard-ts/address'
import type { WireGuardDevice } from 'wireguard-ts/device'
import { WireGuardInterface } from 'wireguard-ts/interface'
import { KernelDevice } from 'wireguard-ts/kernel-device'
import { generateKeyPair, parsePrivateKey, publicKeyOf, type PrivateKey } from 'wireguard-ts/key'
import { readLink, routeProtocol } from 'wireguard-ts/links'
import { run, runOrFail, type RunOptions } from 'wireguard-ts/run'
import { UapiDevice } from 'wireguard-ts/uapi-device'
import { startUserspaceDaemon, type UserspaceDaemon } from 'wireguard-ts/userspace-daemon'
import { AppError } from '../../errors/app-error.ts'
import { ownAddress } from '../ip.ts'
import type { RootTunnels, TunnelSpec } from './ports.ts'

export interface LinuxTunnelsOptions {
  /** Root's own, mode 0700: the private keys, one for each broker. */
  keyFolder: string
  /** Where the VMs are. */
  bridge: string
  namespace?: string
}

/** What the root helper does for tunnels, without what VMs hear. */
export type LinuxTunnels = Omit<RootTunnels, 'announce'> & {
  /** Interfaces, rules and routes of ours, by our names alone. */
  cleanUp(): Promise<void>
  /** Ends the userspace daemons of this process, if there are any. */
  stop(): Promise<void>
}

/** Names of ours begin so; nothing else is taken away. */
export const namePrefix = 'fht'
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
export function createLinuxTunnels(options: LinuxTunnelsOptions): LinuxTunnels {
  const where: RunOptions = options.namespace === undefined ? {} : { namespace: options.namespace }
  const daemons = new Map<string, UserspaceDaemon>()
  const ip = (line: string) => runOrFail('set the routes of a tunnel', 'ip', ['-6', ...line.split(' ')], where)

  async function keyOf(id: string): Promise<PrivateKey> {
    const file = join(options.keyFolder, `${id}.key`)
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

  async function setTunnels(tunnels: readonly TunnelSpec[]): Promise<void> {
    const names = tunnels.map(({ id }) => interfaceOf(id))
    for (const [name, daemon] of daemons) {
      if (names.includes(name)) continue
      await daemon.stop()
      daemons.delete(name)
    }
    if (tunnels.length > slots)
      throw new AppError({ code: 'capacity-exceeded', detail: `${tunnels.length} tunnels; ${slots} fit.` })
    await removeOthers(names)
    const wantedRules: string[] = []
    for (const [slot, grant] of tunnels.entries()) {
      const name = interfaceOf(grant.id)
      const device = await deviceFor(name)
      await new WireGuardInterface({ name, device, ...where }).set({
        privateKey: await keyOf(grant.id),
        mtu: grant.mtu,
        // what the host itself has to say about its prefix is said from here
        addresses: [parseInterfaceAddress(`${ownAddress(grant.prefix)}/128`)],
        routes: [parseCidr(grant.gateway)],
        peers: [
          {
            publicKey: grant.publicKey,
            endpoint: grant.endpoint,
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
    for (let slot = tunnels.length; slot < slots; slot += 1) {
      await run('ip', ['-6', 'route', 'flush', 'table', String(firstTable + slot)], where)
    }
    await forget(tunnels.map(({ prefix }) => prefix))
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

  /** An interface of ours that nobody named goes, also one that a former process made. */
  async function removeOthers(names: readonly string[]): Promise<void> {
    const shown = await runOrFail('read the links', 'ip', ['-json', 'link', 'show'], where)
    for (const { ifname } of JSON.parse(shown) as { ifname: string }[]) {
      if (ifname.startsWith(namePrefix) && !names.includes(ifname)) await run('ip', ['link', 'delete', 'dev', ifname], where)
    }
  }

  return {
    async tunnelKey({ id }) {
      return { publicKey: publicKeyOf(await keyOf(id)) }
    },
    setTunnels: ({ tunnels }) => setTunnels(tunnels),
    cleanUp: () => setTunnels([]),
    async stop() {
      for (const daemon of daemons.values()) await daemon.stop()
      daemons.clear()
    },
  }
}

/** What stands for a broker where no text of others may go. */
export function tunnelIdOf(brokerId: string): string {
  return createHash('sha256').update(brokerId).digest('hex').slice(0, 12)
}

/** At most 15 characters, the same at each start. */
export function interfaceOf(tunnelId: string): string {
  return `${namePrefix}${tunnelId}`
}
