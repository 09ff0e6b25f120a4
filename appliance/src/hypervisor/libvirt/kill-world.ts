import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { runFolderOf, startLibvirtd } from './libvirtd.ts'
import { openDriver, processesNaming, tinyGuest, until } from './test-stand.ts'

/** A libvirtd with the tiny guest as template, for processes that come and go; gone with all that it ran at `close`. */
export async function createVirshStand() {
  const base = await mkdtemp('/tmp/fhk-')
  await chmod(base, 0o755)
  const folder = join(base, 'vms')
  const runFolder = runFolderOf(folder, process.getuid?.() ?? 0)
  const libvirtd = await startLibvirtd({ folder, runFolder })
  const hypervisor = await openDriver(libvirtd.uri, folder, runFolder)
  await hypervisor.initialisePool()
  const image = await tinyGuest()
  await hypervisor.importTemplate(image)
  return {
    childArguments: [libvirtd.uri, folder, runFolder, image.sha256],
    list: () => hypervisor.list(),
    async close() {
      await hypervisor.close()
      await libvirtd.stop()
      for (const pid of processesNaming(folder)) process.kill(pid, 'SIGKILL')
      await until('the machines to be gone', 10, () => processesNaming(folder).length === 0)
      await rm(runFolder, { recursive: true, force: true })
      await rm(base, { recursive: true, force: true })
    },
  }
}
