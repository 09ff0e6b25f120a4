import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import getPort from 'get-port'
import { buildTemplate } from '@freehold/appliance/dev/builds'
import { bootTemplate, makeSeed } from '../../template-vm/boot.ts'
import { median } from './row.ts'

/**
 * Median seconds of bare QEMU boots of the guest image, from the start of QEMU to sshd's `SSH-2.0-`: 1 vCPU, 512 MiB, emulated.
 * Throws `process-failed` if the image cannot be built, Error with the serial log if it does not come up.
 */
export async function bareBootSeconds(runs: number, report: (line: string) => void): Promise<number> {
  const { path: image } = await buildTemplate(report)
  const folder = await mkdtemp(join(tmpdir(), 'freehold-bench-'))
  try {
    const seedIso = await makeSeed(join(folder, 'seed.iso'))
    const seconds: number[] = []
    for (let i = 0; i < runs; i += 1) {
      const guest = await bootTemplate({ image, seedIso, memoryMiB: 512, vcpus: 1, port: await getPort({ host: '127.0.0.1' }) })
      await guest.stop()
      report(`bare boot ${i + 1} of ${runs}: ${guest.seconds.toFixed(1)} s, ${guest.cpuSeconds.toFixed(1)} s of CPU`)
      seconds.push(guest.seconds)
    }
    return median(seconds)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
