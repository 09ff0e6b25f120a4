import type { Config } from '../config/schema.ts'
import { defaultLibvirtFolder, libvirtUri, runFolderOf, startLibvirtd, stopDomains } from '../hypervisor/libvirt/libvirtd.ts'
import { rm } from 'node:fs/promises'

const uid = () => process.getuid?.() ?? 0

/** Where the VMs of this state folder lie. */
export function libvirtFolderOf(config: Config, stateFolder: string): string {
  const named = config.hypervisor.kind === 'libvirt' ? config.hypervisor.folder : undefined
  return named ?? defaultLibvirtFolder({ stateFolder, uid: uid() })
}

/** Under which address virsh reaches the libvirtd of this state folder. */
export function virshUriOf(config: Config, stateFolder: string): string {
  return libvirtUri(runFolderOf(libvirtFolderOf(config, stateFolder), uid()))
}

/**
 * Starts libvirtd for embedded mode. Its end asks VMs to shut down, forces them after 20 s, and wipes the run folder as a
 * reboot would: at the next start autostart brings them back.
 */
export async function startSessionLibvirt(config: Config, stateFolder: string): Promise<{ stop(): Promise<void> }> {
  const folder = libvirtFolderOf(config, stateFolder)
  const runFolder = runFolderOf(folder, uid())
  const libvirtd = await startLibvirtd({ folder, runFolder })
  return {
    async stop() {
      await stopDomains(libvirtd.uri, 20).catch(() => undefined)
      await libvirtd.stop()
      await rm(runFolder, { recursive: true, force: true })
    },
  }
}
