import { existsSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { AppError } from '../errors/app-error.ts'
import { runOrFail } from '../hypervisor/libvirt/run.ts'
import type { Trial } from './state-file.ts'
import type { Uplink } from './verbs.ts'

/** Where systemd-networkd reads; what lies under /run is gone after a boot. */
const tried = '/run/systemd/network'
const kept = '/etc/systemd/network'
/**
 * The trial comes first by name, since networkd uses the first file that matches; were it the same name, the kept file under
 * /etc would hide it, and what is confirmed would never have been tried. Source: systemd.network(5).
 */
export const uplinkFiles = { tried: '04-freehold-trial.network', kept: '05-freehold-uplink.network' } as const

type Former = Trial['former']

const networkd = (): boolean => existsSync('/run/systemd/netif/links') && existsSync('/run/systemd/system')

/** The settings as systemd-networkd reads them. */
export function networkFile(uplink: Uplink): string {
  const address = uplink.ipv4 === 'dhcp' ? ['DHCP=yes'] : [`Address=${text(uplink.ipv4)}`, `Gateway=${uplink.ipv4.gateway}`]
  const lines = [...address, 'IPv6AcceptRA=yes', ...uplink.dns.map((server) => `DNS=${server}`)]
  return `[Match]\nMACAddress=${uplink.mac}\n\n[Network]\n${lines.join('\n')}\n`
}

/** Uses these settings until the next boot. Without systemd-networkd: addresses and route by hand, and no DHCP. */
export async function useUplink(uplink: Uplink, former: Former): Promise<void> {
  if (networkd()) {
    await mkdir(tried, { recursive: true })
    await writeFile(`${tried}/${uplinkFiles.tried}`, networkFile(uplink))
    return await reload(former.device)
  }
  if (uplink.ipv4 === 'dhcp') {
    throw new AppError({ code: 'host-refused', detail: 'DHCP needs systemd-networkd, which does not run here.' })
  }
  await setAddresses(former.device, [text(uplink.ipv4)], uplink.ipv4.gateway)
}

/** Back to what was. */
export async function restoreUplink(former: Former): Promise<void> {
  if (!networkd()) return await setAddresses(former.device, former.addresses, former.gateway)
  await rm(`${tried}/${uplinkFiles.tried}`, { force: true })
  await reload(former.device)
}

/** Stays over boots, where systemd-networkd keeps it. */
export async function keepUplink(uplink: Uplink): Promise<void> {
  if (!networkd()) return
  await mkdir(kept, { recursive: true })
  await writeFile(`${kept}/${uplinkFiles.kept}.new`, networkFile(uplink), { flush: true })
  await rename(`${kept}/${uplinkFiles.kept}.new`, `${kept}/${uplinkFiles.kept}`)
  await rm(`${tried}/${uplinkFiles.tried}`, { force: true })
}

async function setAddresses(device: string, addresses: readonly string[], gateway: string | null): Promise<void> {
  await runOrFail('clear the uplink', 'ip', ['-4', 'addr', 'flush', 'dev', device])
  for (const address of addresses) await runOrFail('set the uplink', 'ip', ['addr', 'add', address, 'dev', device])
  if (gateway !== null) await runOrFail('set the gateway', 'ip', ['route', 'replace', 'default', 'via', gateway, 'dev', device])
}

async function reload(device: string): Promise<void> {
  await runOrFail('reload the network', 'networkctl', ['reload'])
  await runOrFail('use the new network', 'networkctl', ['reconfigure', device])
}

function text({ address, prefixLength }: { address: string; prefixLength: number }): string {
  return `${address}/${prefixLength}`
}
