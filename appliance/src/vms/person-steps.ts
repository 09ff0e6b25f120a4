import { markOf, vmIdOf } from '../chain/installation.ts'
import { AppError } from '../errors/app-error.ts'
import type { Step } from '../steps/step.ts'
import { entitlement } from '../subscriptions/entitlement.ts'
import { guestReport, specOf, sshd, start } from './create-steps.ts'
import { isSamePurchase } from './guards.ts'
import { stopSteps } from './power-steps.ts'
import { isNearlyFull } from './room.ts'
import type { VmWork } from './vm-work.ts'

/** The name of the one snapshot that a VM may have. */
export const snapshotName = 'snapshot'

/** What a person asked for goes on only while the subscription is active: at the newest block, read right before. */
const entitled: Step<VmWork> = {
  name: 'entitled',
  estimateSeconds: 1,
  check: () => Promise.resolve(false),
  async run({ contract, key }) {
    const { latest } = await contract.reader.heads()
    const now = await contract.reader.subscription(key.tokenId, latest)
    if (now !== undefined && entitlement(now, latest.timestamp).kind === 'active') return
    throw new AppError({ code: 'not-entitled', detail: `The subscription of VM ${vmIdOf(key)} is not active.` })
  },
}

const stop: Step<VmWork> = {
  name: 'stop',
  estimateSeconds: 30,
  check: () => Promise.resolve(false),
  async run(work, io) {
    await work.books.keepStopped(work.key, true)
    await stopSteps[0]?.run(work, io)
  },
}

/** Takes the wish to keep it stopped away, then starts it. */
const startForPerson: Step<VmWork> = {
  ...start,
  async check(work) {
    return !work.books.isKeptStopped(vmIdOf(work.key)) && (await start.check(work))
  },
  async run(work, io) {
    await work.books.keepStopped(work.key, false)
    await start.run(work, io)
  },
}

const snapshot: Step<VmWork> = {
  name: 'snapshot',
  estimateSeconds: 5,
  check: () => Promise.resolve(false),
  async run({ ports, key }, io) {
    if (isNearlyFull(await ports.hypervisor.capacity())) {
      throw new AppError({ code: 'storage-full', detail: 'Less than 10 % of the storage is free, so no snapshot is taken.' })
    }
    await ports.hypervisor.snapshot(key, snapshotName, { signal: io.signal, progress: io.progress })
  },
}

const rollback: Step<VmWork> = {
  name: 'rollback',
  estimateSeconds: 20,
  check: () => Promise.resolve(false),
  run: ({ ports, key }, io) => ports.hypervisor.rollback(key, snapshotName, { signal: io.signal, progress: io.progress }),
}

/** The next generation: new mark, new secret, new token; what the old one knew opens nothing any more. */
const generation: Step<VmWork> = {
  name: 'generation',
  estimateSeconds: 1,
  check: ({ books, key }) => Promise.resolve(books.get(vmIdOf(key))?.generation === key.generation),
  async run({ books, key, ports, contract }) {
    const row = books.get(vmIdOf(key))
    if (row === undefined) throw new AppError({ code: 'vm-unknown', detail: `There is no VM ${vmIdOf(key)}.` })
    const template = await ports.template()
    const now = await contract.reader.subscription(key.tokenId, (await contract.reader.heads()).latest)
    if (now === undefined) throw new AppError({ code: 'not-entitled', detail: `Nobody holds VM ${vmIdOf(key)}.` })
    // whose wish it is goes to disk before the generation is raised: nobody else's disk is erased for it later
    await books.noteReinstall(key, { generation: key.generation, holder: now.holder.toLowerCase() })
    await books.put({ ...row, generation: key.generation, template, hostKey: null, reportedAt: null, secretUsedAt: null })
  },
}

const freshDisk: Step<VmWork> = {
  name: 'disk',
  estimateSeconds: 10,
  async check({ ports, key }) {
    const record = await ports.hypervisor.find(key)
    return record?.facts.activating === true
  },
  async run(work, io) {
    const { ports, key, from, contract, books } = work
    await entitled.run(work, io)
    const spec = await specOf(work)
    const now = await contract.reader.subscription(key.tokenId, (await contract.reader.heads()).latest)
    const row = books.get(vmIdOf(key))
    if (now === undefined || row === undefined || !isSamePurchase(now, row.origin)) {
      throw new AppError({ code: 'not-in-this-state', detail: `VM ${vmIdOf(key)} was made for another purchase.` })
    }
    const options = { signal: io.signal, progress: io.progress }
    await work.slots.run(io.signal, async () => {
      if (from !== undefined && (await ports.hypervisor.find(from)) !== undefined) {
        io.log(`Erasing ${markOf(from)}; the next is ${markOf(key)}.`)
        await ports.hypervisor.reinstall(from, spec, options)
      } else await ports.hypervisor.create(spec, options)
    })
    // it belongs to an active subscription from its first moment: only a final end may destroy it
    await ports.hypervisor.setFacts(key, { activating: true })
  },
}

const keepRunning: Step<VmWork> = {
  name: 'keep-running',
  estimateSeconds: 1,
  check: ({ books, key }) => Promise.resolve(!books.isKeptStopped(vmIdOf(key))),
  run: ({ books, key }) => books.keepStopped(key, false),
}

/** A reinstall is done when the sshd of the new disk has answered; the facts of the former one prove nothing. */
const freshSshd: Step<VmWork> = { ...sshd, check: () => Promise.resolve(false) }

/** Steps of what a person may ask for; `console` is no task. `reinstall` needs `work.from` and the next generation as key. */
export const personSteps = {
  start: [entitled, startForPerson],
  stop: [stop],
  reboot: [entitled, ...stopSteps, startForPerson],
  snapshot: [entitled, snapshot],
  rollback: [entitled, rollback, startForPerson],
  // the right is asked before anything is raised: who may not, changes nothing
  reinstall: [entitled, keepRunning, generation, freshDisk, start, guestReport, freshSshd],
} as const satisfies Record<string, readonly Step<VmWork>[]>
