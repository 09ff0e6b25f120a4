import { join } from 'node:path'
import type { Clock } from '../clock/clock.ts'
import type { Config } from '../config/schema.ts'
import { createHostClient } from '../host/client.ts'
import type { HostPort } from '../host/port.ts'
import { tapNameOf } from '../network/guest-addresses.ts'
import { tapSettingsOf } from '../network/installed-network.ts'
import { createFakeHypervisor, type FakeOptions } from './fake/fake-hypervisor.ts'
import { createLibvirtHypervisor } from './libvirt/libvirt-hypervisor.ts'
import { defaultLibvirtFolder, installedLibvirt, libvirtUri, runFolderOf } from './libvirt/libvirtd.ts'
import { Pool } from './libvirt/pool.ts'
import type { Hypervisor } from './port.ts'
import { withTaps } from './with-taps.ts'
import { createProxmoxHypervisor } from './proxmox/proxmox-hypervisor.ts'
import { proxmoxOptions } from './proxmox/settings.ts'

export interface OpenOptions {
  config: Pick<Config, 'mode' | 'network' | 'hypervisor' | 'listen'>
  stateFolder: string
  clock: Clock
  /** Make the storage first; setup only. */
  initialise?: boolean
  /** The root helper of an installed host; default: the one at its socket. */
  host?: HostPort
  /** Who plays the guests of the fake one. */
  fake?: Pick<FakeOptions, 'onStart' | 'onStop'>
}

/** Removes libvirt's storage of these answers if nothing lies in it; other storages are not ours to make. True: it is gone. */
export async function discardEmptyStorage({
  config,
  stateFolder,
}: Pick<OpenOptions, 'config' | 'stateFolder'>): Promise<boolean> {
  const { hypervisor, mode } = config
  if (hypervisor.kind !== 'libvirt') return false
  const usual =
    mode === 'installed' ? installedLibvirt.folder : defaultLibvirtFolder({ stateFolder, uid: process.getuid?.() ?? 0 })
  return await new Pool(hypervisor.folder ?? usual).discard()
}

/** The hypervisor that the configuration names. Throws AppError `tool-missing`, `hypervisor-down`, `host-helper-down`. */
export async function openHypervisor(options: OpenOptions): Promise<Hypervisor> {
  const { config, clock, stateFolder } = options
  const chosen = config.hypervisor
  switch (chosen.kind) {
    case 'fake':
      return createFakeHypervisor({
        clock,
        storages: chosen.storages,
        createSeconds: chosen.createSeconds,
        file: join(stateFolder, 'fake-world.json'),
        loginEndpoint: config.listen.login,
        ...options.fake,
      })
    case 'libvirt': {
      const uid = process.getuid?.() ?? 0
      const installed = config.mode === 'installed'
      const folder = chosen.folder ?? (installed ? installedLibvirt.folder : defaultLibvirtFolder({ stateFolder, uid }))
      const runFolder = installed ? installedLibvirt.runFolder : runFolderOf(folder, uid)
      const loginPort = Number(config.listen.login.split(':').at(-1))
      const hypervisor = await createLibvirtHypervisor({
        folder,
        runFolder,
        uri: libvirtUri(runFolder),
        clock,
        acceleration: chosen.acceleration,
        loginPort,
        ...(installed && {
          networkOf: ({ key }) => ({ kind: 'tap' as const, device: tapNameOf(key) }),
          hostAddress: config.network.ipv4.gateway,
          isolation: true,
        }),
      })
      if (options.initialise === true) await hypervisor.initialisePool()
      if (!installed) return hypervisor
      const tapped = withTaps(hypervisor, options.host ?? createHostClient(), tapSettingsOf(config.network))
      await tapped.settle()
      return tapped
    }
    case 'proxmox': {
      const settings = await proxmoxOptions(chosen, { clock, loginEndpoint: config.listen.login })
      const hypervisor = createProxmoxHypervisor({ ...settings, journalFile: join(stateFolder, 'proxmox-journal.json') })
      if (config.mode !== 'installed' || chosen.guestCard === undefined) return hypervisor
      // the host is the guests' router: what leads to them follows the list of VMs, as it does for taps
      const routed = withTaps(hypervisor, options.host ?? createHostClient(), tapSettingsOf(config.network, chosen.guestCard))
      await routed.settle()
      return routed
    }
  }
}
