import { mkdir, open, readdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Present from the order to the end: a reset that was cut short goes on at the next boot. Written first, taken away last. */
export const resetMark = 'etc/freehold-factory-reset'

/** Folders whose contents go: settings, keys, store, VMs with their disks, programs, caches, logs of ours. */
const emptied = [
  // the daemon's own folder in root's: emptied, not removed
  'etc/freehold/secrets',
  'etc/freehold',
  'var/lib/freehold',
  'var/lib/freehold-vm',
  'var/lib/freehold-wasm',
  'var/lib/freehold-hostd',
  'var/lib/freehold-update',
  'var/cache/freehold',
  'var/log/freehold-wasm',
  'var/log/journal',
  'etc/systemd/network',
] as const
/** What of them belongs to the machine and not to its setup: who may open it, and how it was made. */
const kept: Readonly<Record<string, readonly string[]>> = {
  'etc/freehold': ['recovery', 'grub-password', 'profile', 'update-repository', 'secrets'],
  'etc/systemd/network': ['50-freehold.network'],
  // where the disk has a file system for VMs, its own folder stays
  'var/lib/freehold-vm': ['lost+found'],
}

/**
 * Forgets everything: afterwards the machine starts as after its installation, with another identity. `root` is the machine's
 * root folder. Killed anywhere and called again it ends the same. Data are deleted, not overwritten.
 */
export async function factoryReset(root: string, say: (line: string) => void): Promise<void> {
  const at = (path: string): string => join(root, path)
  await mkdir(dirname(at(resetMark)), { recursive: true })
  await writeSynced(at(resetMark), '')
  for (const folder of emptied) {
    const names = await readdir(at(folder)).catch(() => [])
    for (const name of names.filter((one) => kept[folder]?.includes(one) !== true)) {
      await rm(join(at(folder), name), { recursive: true, force: true })
    }
    if (names.length > 0) say(`emptied /${folder}`)
  }
  // an empty file would not count as a first boot
  await writeSynced(at('etc/machine-id'), 'uninitialized\n')
  for (const name of ['var/lib/systemd/random-seed', 'var/lib/dbus/machine-id']) await rm(at(name), { force: true })
  await rm(at(resetMark))
  await syncFolder(dirname(at(resetMark)))
}

async function writeSynced(file: string, text: string): Promise<void> {
  await writeFile(file, text, { flush: true })
  await syncFolder(dirname(file))
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  await handle.sync()
  await handle.close()
}
