import type { Step } from '../steps/step.ts'
import { mayTakePower } from '../subscriptions/views.ts'
import { requireTaking } from './guards.ts'
import { start } from './create-steps.ts'
import type { VmWork } from './vm-work.ts'

async function isDown({ ports, key }: VmWork): Promise<boolean> {
  const record = await ports.hypervisor.find(key)
  return (record?.state === 'stopped' || record?.state === 'crashed') && !record.autostart
}

/** At expiry: the guest is asked to shut down, autostart goes. The chain is read again right before. */
export const suspendSteps: readonly Step<VmWork>[] = [
  {
    name: 'shutdown',
    estimateSeconds: 30,
    check: isDown,
    async run(work, io) {
      const { view } = await requireTaking(work.contract.reader, work.key.tokenId, mayTakePower)
      io.log(`Expired: ${view.finalized.kind} at the finalized block. Data is kept.`)
      await work.ports.hypervisor.stop(work.key, 'graceful', { signal: io.signal, progress: io.progress })
    },
  },
]

/** A renewed subscription, a crash, a host that came back: it runs again. */
export const startSteps: readonly Step<VmWork>[] = [start]

/** A person stops it: it stays so until a person starts it. */
export const stopSteps: readonly Step<VmWork>[] = [
  {
    name: 'shutdown',
    estimateSeconds: 30,
    check: isDown,
    run: ({ ports, key }, io) => ports.hypervisor.stop(key, 'graceful', { signal: io.signal, progress: io.progress }),
  },
]
