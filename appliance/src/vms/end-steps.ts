import { sharing } from './address-conflicts.ts'
import { markOf, vmIdOf } from '../chain/installation.ts'
import type { Subscription } from '../chain/subscription.ts'
import type { UnixSeconds } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import type { Step } from '../steps/step.ts'
import { mayDestroy, mayEnd } from '../subscriptions/views.ts'
import { requireSuccess } from './create-steps.ts'
import { requireTaking, wasReady } from './guards.ts'
import type { VmWork } from './vm-work.ts'

async function hasEnded({ contract, key, mined }: VmWork, verb: 'end' | 'reject'): Promise<boolean> {
  const { latest } = await contract.reader.heads()
  const now = await contract.reader.subscription(key.tokenId, latest)
  if (now?.state !== 'ended') return false
  mined({ verb, minedBlock: latest.number })
  return true
}

/** Money back for what cannot be delivered. The half-made VM goes once this is final. */
export const rejectSteps: readonly Step<VmWork>[] = [
  {
    name: 'reject',
    estimateSeconds: 20,
    check: (work) => hasEnded(work, 'reject'),
    async run({ contract, key, mined }, io) {
      const outcome = requireSuccess('reject', await contract.provisioner.reject(key.tokenId, io.signal))
      mined({ verb: 'reject', minedBlock: outcome.blockNumber })
      io.log(`Rejected in block ${outcome.blockNumber}; the payment goes back.`)
    },
  },
]

/** The grace is over and our own clock has waited. The chain is read again right before. */
export const endSteps: readonly Step<VmWork>[] = [
  {
    name: 'end',
    estimateSeconds: 20,
    check: (work) => hasEnded(work, 'end'),
    async run({ contract, key, mined }, io) {
      await requireTaking(contract.reader, key.tokenId, mayEnd)
      const outcome = requireSuccess('end', await contract.provisioner.end(key.tokenId, io.signal))
      mined({ verb: 'end', minedBlock: outcome.blockNumber })
      io.log(`Ended in block ${outcome.blockNumber}.`)
    },
  },
]

/** Disk, then addresses: nothing of the VM is left, and only then may its addresses go to another. */
export const destroySteps: readonly Step<VmWork>[] = [
  {
    name: 'destroy',
    estimateSeconds: 10,
    check: async ({ ports, key }) => (await ports.hypervisor.find(key)) === undefined,
    async run({ ports, key, contract, gate, books }, io) {
      const record = await ports.hypervisor.find(key)
      const { finalized, view } = await requireTaking(contract.reader, key.tokenId, mayDestroy)
      const ended = { reason: reasonOf(finalized, view.finalizedTime), finalizedTime: view.finalizedTime }
      const delivered = record?.facts.activating === true || wasReady(books.get(vmIdOf(key)))
      const vmCount = [...books.values()].length
      // what was never delivered holds nothing of anybody: it neither counts nor waits
      if (delivered && !(await gate.pass(markOf(key), ended, contract.reader, vmCount))) {
        throw new AppError({
          code: 'not-in-this-state',
          detail: `VM ${vmIdOf(key)} would be one destroy too many in 24 hours.`,
          hint: 'The operator allows it on the page of issues.',
        })
      }
      io.log(`Destroying: ${ended.reason}, final on the chain.`)
      await ports.hypervisor.destroy(key, { signal: io.signal, progress: io.progress })
    },
  },
  {
    name: 'addresses',
    estimateSeconds: 1,
    check: ({ books, key }) => Promise.resolve(books.get(vmIdOf(key)) === undefined),
    async run({ ports, books, key }) {
      await ports.addresses.release(key, sharing(key, books.values()))
      await books.destroyed(key, ports.clock.now())
    },
  },
]

/** Which word of the chain ended it, as far as its last state tells: `reject` stands for a refund too. */
export function reasonOf(ended: Subscription, finalizedTime: UnixSeconds): 'reject' | 'end' | 'cancel' {
  if (ended.activatedAt === 0) return 'reject'
  return finalizedTime < ended.graceEndsAt ? 'cancel' : 'end'
}
