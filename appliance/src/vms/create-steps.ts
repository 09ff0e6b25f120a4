import { sharing } from './address-conflicts.ts'
import { createHash } from 'node:crypto'
import { markOf } from '../chain/installation.ts'
import type { TransactionOutcome } from '../chain/port.ts'
import type { Plan, Subscription } from '../chain/subscription.ts'
import { AppError } from '../errors/app-error.ts'
import type { VmRecord, VmSpec } from '../hypervisor/port.ts'
import { macOf } from '../network/mac.ts'
import type { Step } from '../steps/step.ts'
import type { StoredVm } from '../store/vms.ts'
import { vmIdOf } from '../chain/installation.ts'
import { isSamePurchase, requirePending, wasReady } from './guards.ts'
import { reportToken } from './guest-secrets.ts'
import { buildSeed } from './seed.ts'
import type { VmWork } from './vm-work.ts'

type VmStep = Step<VmWork>

/** Addresses and the row, which fixes generation, origin and template before anything exists. */
const addresses: VmStep = {
  name: 'addresses',
  estimateSeconds: 1,
  check: (work) => Promise.resolve(rowOf(work) !== undefined),
  async run(work) {
    const { key, contract, ports } = work
    const { subscription, plan } = purchaseOf(work)
    if (work.from === undefined) await requirePending(contract.reader, key.tokenId, subscription)
    await work.books.put({
      installation: key.installation,
      tokenId: key.tokenId,
      generation: key.generation,
      planId: plan.planId,
      vcpus: plan.vcpus,
      memoryMiB: plan.memoryMiB,
      diskGiB: plan.diskGiB,
      addresses: await ports.addresses.allocate(key, contract.index),
      mac: macOf(key),
      template: await ports.template(),
      origin: { buyer: subscription.buyer, boughtBlock: subscription.boughtBlock },
      hostKey: null,
      secretUsedAt: null,
      reportedAt: null,
      activateIntentAt: null,
      activatedSeenAt: null,
      graceOverSeenSince: null,
      destroyedAt: null,
      createdAt: ports.clock.now(),
    })
  },
  async undo(work) {
    const row = rowOf(work)
    if (row === undefined) return
    requireFree(row, undefined)
    await work.ports.addresses.release(work.key, sharing(work.key, work.books.values()))
    await work.books.destroyed(work.key, work.ports.clock.now())
  },
}

/** Disk, seed and domain. Undone freely until the intent to activate is persisted, never after. */
const disk: VmStep = {
  name: 'disk',
  estimateSeconds: 10,
  async check({ ports, key }) {
    const record = await ports.hypervisor.find(key)
    // a VM that runs was whole; anything less is completed by the same call, which may be made again
    return record !== undefined && (record.state === 'running' || record.facts.activating)
  },
  async run(work, io) {
    const { ports, key, contract, from } = work
    const spec = await specOf(work)
    await work.slots.run(io.signal, async () => {
      await requirePending(contract.reader, key.tokenId, spec.origin)
      const options = { signal: io.signal, progress: io.progress }
      if (from !== undefined && (await ports.hypervisor.find(from)) !== undefined) {
        io.log(`Another purchase came back under this id: fresh disk as generation ${key.generation}.`)
        await ports.hypervisor.reinstall(from, spec, options)
      } else await ports.hypervisor.create(spec, options)
    })
  },
  async undo({ ports, key, books }, io) {
    const record = await ports.hypervisor.find(key)
    if (record === undefined) return
    requireFree(books.get(vmIdOf(key)), record)
    io.log('Taking back a VM that was never delivered.')
    await ports.hypervisor.destroy(key)
  },
}

/** Boots it. */
export const start: VmStep = {
  name: 'start',
  estimateSeconds: 5,
  async check({ ports, key }) {
    const record = await ports.hypervisor.find(key)
    return record?.state === 'running' && record.autostart
  },
  run: ({ ports, key }, io) => ports.hypervisor.start(key, { signal: io.signal, progress: io.progress }),
}

/** The guest calls from its own address, with the token of its seed; its host key goes into the metadata. */
export const guestReport: VmStep = {
  name: 'guest-report',
  estimateSeconds: 40,
  async check({ ports, key }) {
    const row = await ports.vms.get(key)
    if (row?.generation !== key.generation || row.reportedAt === null) return false
    const record = await ports.hypervisor.find(key)
    return record?.facts.hostKey?.publicKey === row.hostKey?.publicKey
  },
  async run({ ports, key }, io) {
    io.progress('booting')
    await ports.reports.waitForReport(key, io.signal)
    const hostKey = (await ports.vms.get(key))?.hostKey ?? null
    await ports.hypervisor.setFacts(key, { hostKey })
    if (hostKey !== null) io.log(`The guest reported host key ${hostKey.fingerprint}.`)
  },
}

/** The sshd of the guest answers the host. */
export const sshd: VmStep = {
  name: 'sshd',
  estimateSeconds: 5,
  // once ready it was seen; asking again would let a guest that is shut down later block its own activation
  check: async ({ ports, key }) => (await ports.hypervisor.find(key))?.facts.activating === true,
  run: async (work, io) => {
    await work.ports.sshd.waitForBanner(requireRow(work).addresses, io.signal)
  },
}

/** From here on the disk is protected: in our books and in the hypervisor's metadata. */
const intent: VmStep = {
  name: 'intent',
  estimateSeconds: 1,
  async check(work) {
    const record = await work.ports.hypervisor.find(work.key)
    return requireRow(work).activateIntentAt !== null && record?.facts.activating === true
  },
  async run(work) {
    await requirePending(work.contract.reader, work.key.tokenId, requireRow(work).origin)
    await work.books.mark(work.key, { activateIntentAt: work.ports.clock.now() })
    await work.ports.hypervisor.setFacts(work.key, { activating: true })
  },
}

/** The clock of the subscription starts. */
const activate: VmStep = {
  name: 'activate',
  estimateSeconds: 20,
  async check({ contract, key, mined }) {
    const { latest } = await contract.reader.heads()
    const now = await contract.reader.subscription(key.tokenId, latest)
    if (now?.state !== 'active') return false
    mined({ verb: 'activate', minedBlock: latest.number })
    return true
  },
  async run(work, io) {
    const { contract, key, mined } = work
    await requirePending(contract.reader, key.tokenId, requireRow(work).origin)
    io.progress('activating')
    const outcome = requireSuccess('activate', await contract.provisioner.activate(key.tokenId, io.signal))
    mined({ verb: 'activate', minedBlock: outcome.blockNumber })
    io.log(`Activated in block ${outcome.blockNumber} by ${outcome.hash}.`)
  },
}

/** From purchase to shell. The same steps serve a reorganised id: then `work.from` gives way to `work.key`. */
export const createSteps: readonly VmStep[] = [addresses, disk, start, guestReport, sshd, intent, activate]

/** Row of the generation that is being made, or undefined. */
function rowOf({ books, key, subscription }: VmWork): StoredVm | undefined {
  const row = books.get(vmIdOf(key))
  if (row === undefined || row.generation !== key.generation) return undefined
  return subscription === undefined || isSamePurchase(row.origin, subscription) ? row : undefined
}

/** As `rowOf`; throws where an earlier step should have written it. */
export function requireRow(work: VmWork): StoredVm {
  const row = rowOf(work)
  if (row !== undefined) return row
  throw new AppError({ code: 'step-failed', detail: `There is no entry for ${markOf(work.key)}.` })
}

function purchaseOf({ subscription, plan }: VmWork): { subscription: Subscription; plan: Plan } {
  if (subscription !== undefined && plan !== undefined) return { subscription, plan }
  throw new AppError({ code: 'step-failed', detail: 'There is no purchase to make a VM for.' })
}

/** What the hypervisor is to make, from the row: the same at every call. */
export async function specOf(work: VmWork): Promise<VmSpec> {
  const { ports, key, contract } = work
  const row = requireRow(work)
  const { loginEndpoint } = await ports.hypervisor.capabilities()
  const { reader } = contract
  const host = { ...ports.seed, endpoint: loginEndpoint, chainId: reader.chainId, contract: reader.contract }
  const token = reportToken(ports.masterSecret, markOf(key))
  return {
    key,
    vcpus: row.vcpus,
    memoryMiB: row.memoryMiB,
    diskGiB: row.diskGiB,
    addresses: row.addresses,
    mac: row.mac,
    template: row.template,
    seed: buildSeed(host, { key, mac: row.mac, addresses: row.addresses, token }),
    origin: row.origin,
  }
}

/** Throws unless the VM was never on its way to be delivered: only then is taking it back free (design.md §6). */
function requireFree(row: StoredVm | undefined, record: VmRecord | undefined): void {
  if (!wasReady(row) && record?.facts.activating !== true) return
  throw new AppError({
    code: 'not-in-this-state',
    detail: 'This VM was ready or delivered; only an ended subscription may destroy it.',
    hint: 'Nothing was taken.',
  })
}

/** The mined outcome of a transaction of ours, or AppError `transaction-failed`. */
export function requireSuccess(verb: string, outcome: TransactionOutcome): Extract<TransactionOutcome, { state: 'mined' }> {
  if (outcome.state === 'mined' && outcome.succeeded) return outcome
  const why =
    outcome.state === 'refused' ? outcome.reason : `its transaction ${outcome.hash} is ${outcome.state}, without success`
  throw new AppError({ code: 'transaction-failed', detail: `The contract did not accept ${verb}: ${why}.` })
}

/** `SHA256:…` of a public key line, as `ssh-keygen -l` prints it. */
export function fingerprintOf(publicKey: string): string {
  const blob = Buffer.from(publicKey.split(' ')[1] ?? '', 'base64')
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replaceAll('=', '')}`
}
