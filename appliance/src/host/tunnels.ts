import { chmod, mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { overlap, parseCidr, specialRangeOf, type Cidr } from 'wireguard-ts/address'
import { AppError, type FieldError } from '../errors/app-error.ts'
import { bridgeName } from '../network/guest-addresses.ts'
import { radvdText, type Announcement } from '../network/broker/announcements.ts'
import { createLinuxTunnels } from '../network/broker/linux-tunnels.ts'
import type { TunnelSpec } from '../network/broker/ports.ts'
import { forwardIpv6 } from './links.ts'

export interface HostTunnelsOptions {
  /** Root's own, where keys are kept. */
  stateFolder: string
  /** What radvd reads. */
  announceFile: string
  /** The announcer has another file to read. */
  announcerChanged(): Promise<void>
}

/** Tunnels of brokers and what guests hear of them, made true on this machine. */
export function createHostTunnels(options: HostTunnelsOptions) {
  const linux = createLinuxTunnels({ keyFolder: join(options.stateFolder, 'tunnel-keys'), bridge: bridgeName })
  let written: string | undefined
  return {
    tunnelKey: linux.tunnelKey,
    async set(tunnels: readonly TunnelSpec[]): Promise<void> {
      if (tunnels.length > 0) await forwardIpv6()
      await linux.setTunnels({ tunnels })
    },
    /** The file first, whole or not at all, and readable to the announcer; then it is told. */
    async announce(announcements: readonly Announcement[]): Promise<void> {
      const text = radvdText(bridgeName, announcements)
      if (text === written) return
      const folder = dirname(options.announceFile)
      await mkdir(folder, { recursive: true })
      await chmod(folder, 0o755)
      await writeFile(`${options.announceFile}.new`, text, { flush: true })
      await chmod(`${options.announceFile}.new`, 0o644)
      await rename(`${options.announceFile}.new`, options.announceFile)
      await options.announcerChanged()
      written = text
    },
    cleanUp: linux.cleanUp,
    stop: linux.stop,
  }
}

/**
 * Holds a set of tunnels against itself and the machine: each prefix is somebody's on the Internet, no two overlap, none holds a
 * network of the host's or the guests', each gateway lies beside it. Throws AppError `bad-input`; nothing was changed then.
 */
export function checkTunnels(tunnels: readonly TunnelSpec[], networks: readonly string[]): void {
  const fields: FieldError[] = []
  const wrong = (pointer: string, detail: string): void => void fields.push({ pointer, detail })
  const seen: { id: string; prefix: Cidr }[] = []
  for (const [i, { id, prefix, gateway, endpoint }] of tunnels.entries()) {
    const at = `/tunnels/${i}`
    const length = Number(prefix.split('/')[1])
    const special = specialRangeOf(prefix)
    if (seen.some((other) => other.id === id)) wrong(`${at}/id`, 'it is there twice')
    if (length < 32 || length > 64) wrong(`${at}/prefix`, 'guests make their addresses in prefixes of /32 to /64')
    if (special !== undefined) wrong(`${at}/prefix`, `it is ${special}`)
    const clash = [...seen.map((other) => other.prefix), ...networks.map(parseCidr)].find((one) => overlap(one, prefix))
    if (clash !== undefined) wrong(`${at}/prefix`, `it overlaps ${clash}`)
    if (overlap(prefix, parseCidr(gateway))) wrong(`${at}/gateway`, 'it is one of the guests’')
    const place = specialRangeOf(parseCidr(endpoint.host))
    if (place !== undefined) wrong(`${at}/endpoint/host`, `it is ${place}`)
    seen.push({ id, prefix })
  }
  if (fields.length === 0) return
  throw new AppError({ code: 'bad-input', detail: `${fields[0]?.pointer}: ${fields[0]?.detail}.`, fields: fields.slice(0, 20) })
}

/** An announced prefix must be that of a tunnel that stands. Throws AppError `bad-input`. */
export function checkAnnouncements(announcements: readonly Announcement[], tunnels: readonly TunnelSpec[]): void {
  for (const [i, { prefix }] of announcements.entries()) {
    if (tunnels.some((tunnel) => overlap(tunnel.prefix, prefix))) continue
    const detail = `no tunnel carries ${prefix}`
    const pointer = `/announcements/${i}/prefix`
    throw new AppError({ code: 'bad-input', detail: `${pointer}: ${detail}.`, fields: [{ pointer, detail }] })
  }
}
