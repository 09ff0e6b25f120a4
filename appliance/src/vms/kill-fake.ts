import { join } from 'node:path'
import type { MovableClock } from '../clock/clock.ts'
import { createFakeHypervisor } from '../hypervisor/fake/fake-hypervisor.ts'
import type { KillWorld } from './kill-suite.ts'

/** The fake hypervisor for tests that kill and stop: its world is a file that outlives every life. */
export function openFake(folder: string): Promise<KillWorld> {
  return Promise.resolve({
    childArguments: [],
    async list(clock: MovableClock) {
      const hypervisor = createFakeHypervisor({ clock, storages: ['local'], createSeconds: 0, file: join(folder, 'world') })
      try {
        return await hypervisor.list()
      } finally {
        await hypervisor.close()
      }
    },
    close: () => Promise.resolve(),
  })
}
