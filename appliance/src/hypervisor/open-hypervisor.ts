import { join } from 'node:path'
import type { Clock } from '../clock/clock.ts'
import type { Config } from '../config/schema.ts'
import { createFakeHypervisor, type FakeOptions } from './fake/fake-hypervisor.ts'
import { createLibvirtHypervisor } from './libvirt/libvirt-hypervisor.ts'
import { defaultLibvirtFolder, libvirtUri, runFolderOf } from './libvirt/libvirtd.ts'
import type { Hypervisor } from './port.ts'
import { createProxmoxHypervisor } from './proxmox/proxmox-hypervisor.ts'
import { proxmoxOptions } from './proxmox/settings.ts'

export interface OpenOptions {
  config: Pick<Config, 'hypervisor' | 'listen'>
  stateFolder: string
  clock: Clock
  /** Make the storage first; setup only. */
  initialise?: boolean
  /** Who plays the guests of the fake one. */
  fake?: Pick<FakeOptions, 'onStart' | 'onStop'>
}

/** The hypervisor that the configuration names. Throws AppError `tool-missing`, `hypervisor-down`. */
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
      const folder = chosen.folder ?? defaultLibvirtFolder({ stateFolder, uid })
      const runFolder = runFolderOf(folder, uid)
      const loginPort = Number(config.listen.login.split(':').at(-1))
      const hypervisor = await createLibvirtHypervisor({
        folder,
        runFolder,
        uri: libvirtUri(runFolder),
        clock,
        acceleration: chosen.acceleration,
        loginPort,
      })
      if (options.initialise === true) await hypervisor.initialisePool()
      return hypervisor
    }
    case 'proxmox': {
      const settings = await proxmoxOptions(chosen, { clock, loginEndpoint: config.listen.login })
      return createProxmoxHypervisor({ ...settings, journalFile: join(stateFolder, 'proxmox-journal.json') })
    }
  }
}
