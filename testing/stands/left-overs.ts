import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { libvirtFolderOf, virshUriOf } from '@freehold/appliance/dev/session-libvirt'
import type { EmbeddedStand } from './embedded.ts'

/** All that names a VM on this host: domains, files of the hypervisor, processes. Empty once it is destroyed (V6). */
export async function leftOvers(stand: EmbeddedStand, vmId: string): Promise<string[]> {
  const found: string[] = []
  const { stdout } = await promisify(execFile)(
    'virsh',
    ['--quiet', '-c', virshUriOf(stand.embedded.config, stand.stateFolder), 'list', '--all', '--name'],
    {
      timeout: 20_000,
      env: { ...process.env, LC_ALL: 'C' },
    },
  )
  found.push(...stdout.split('\n').filter((name) => name.includes(vmId)))
  const folder = libvirtFolderOf(stand.embedded.config, stand.stateFolder)
  for (const name of await readdir(folder, { recursive: true })) {
    if (name.includes(vmId) && !name.endsWith('.log')) found.push(name)
  }
  for (const pid of (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name))) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (line.includes('qemu-system') && line.includes(vmId)) found.push(`process ${pid}`)
  }
  return found
}
