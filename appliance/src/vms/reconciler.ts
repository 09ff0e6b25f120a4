import { markOf, vmIdOf, type VmId, type VmKey } from '../chain/installation.ts'
import type { UnixSeconds } from '../clock/clock.ts'
import type { Config } from '../config/schema.ts'
import { findAppError } from '../errors/app-error.ts'
import type { VmRecord } from '../hypervisor/port.ts'
import type { RetryPolicy } from '../steps/retry.ts'
import { runTask } from '../steps/runner.ts'
import type { TaskRecord } from '../steps/step.ts'
import type { TaskEvent } from '../steps/task-store.ts'
import type { DestroyRepository } from '../store/destroys.ts'
import type { SettingRepository } from '../store/settings.ts'
import type { TaskRepository } from '../store/tasks.ts'
import type { StoredVm, VmRepository } from '../store/vms.ts'
import { decide, type Action, type DecisionFacts, type Unconfirmed } from '../subscriptions/decide.ts'
import { givingView, takingView, type GivingView } from '../subscriptions/views.ts'
import { DestroyGate } from './destroy-gate.ts'
import { isSamePurchase, wasReady } from './guards.ts'
import { reasonOf } from './end-steps.ts'
import { Jobs } from './jobs.ts'
import { LeftOverTasks } from './left-over-tasks.ts'
import { jobFor, settleCreate, type VmJob } from './vm-jobs.ts'
import { addressConflicts } from './address-conflicts.ts'
import { adoptFound } from './adoption.ts'
import { actualVm, needsSettling, tokenIds } from './pass-facts.ts'
import { doubtOf, failingIssue, hostIssues, removalIssue, sentence } from './pass-issues.ts'
import { personSteps } from './person-steps.ts'
import { needOf, reasonForNoRoom, type Promised } from './room.ts'
import { Slots } from './slots.ts'
import { StandingIssues, type StandingIssue } from './standing-issues.ts'
import { VmBooks } from './vm-books.ts'
import type { ServedContract, VmPorts, VmWork } from './vm-work.ts'
import { observe, type ObservedContract, type World } from './world.ts'

/** Everything that the loop needs from outside. */
export interface ReconcilerPorts extends VmPorts {
  contracts: readonly ServedContract[]
  vms: VmRepository
  tasks: Pick<TaskRepository, 'put' | 'list' | 'appendLog' | 'unfinished'>
  destroys: DestroyRepository
  settings: Pick<SettingRepository, 'get' | 'put'>
  taking: Config['taking']
  /** Purchases of kind WASM are another loop's. Default: they are rejected. */
  servesWasm?: boolean
  /** Creates that make disks at the same time. Default: 2. */
  createsAtOnce?: number
  /** Pauses after failed jobs. Default: 2 s doubling up to 2 minutes. */
  backOff?: RetryPolicy
  onTaskEvent?: (event: TaskEvent) => void
  /** For the log of the daemon; `cause` never goes further. */
  log?: (line: string, cause?: unknown) => void
}

/** What one pass found and began. */
export interface PassReport {
  at: UnixSeconds
  durationMs: number
  vms: number
  /** Jobs that the pass began, by VM. */
  began: { vmId: VmId; kind: string }[]
}

export interface ReconcilerStatus {
  lastPass: PassReport | undefined
  running: { vmId: VmId; kind: string }[]
  issues: StandingIssue[]
}

export interface Reconciler {
  /** Notes what a former life left open; part of `start`, for who makes the passes himself. */
  takeUp(): Promise<void>
  /** Takes up what a former life left and begins to loop. */
  start(): Promise<void>
  /** Ends loop and jobs cleanly, also in the middle of one: the next start goes on from there (E10). */
  stop(): Promise<void>
  /** Look now. May be called at any time and any number of times. */
  wake(): void
  /** One full pass: decides for every VM and begins the jobs; does not wait for them. */
  pass(): Promise<PassReport>
  /** Resolves when no job runs. */
  settled(): Promise<void>
  status(): ReconcilerStatus
  /** Begins a job that a person asked for. Throws AppError `task-running` if the VM is busy. Resolves with the task as it begins. */
  perform(key: VmKey, kind: string, job: (base: VmWork) => VmJob): Promise<TaskRecord>
  /** The operator lets destroys through that wait because there were too many (`destroys-waiting`). */
  allowDestroys(vmIds: readonly VmId[]): Promise<void>
  readonly books: VmBooks
}

const passEveryMs = 60_000
/** Wakes come in swarms (every change of a VM is one): passes keep this distance. */
const passGapMs = 100

/**
 * Makes the world as the chain says (design.md §6): level-based, an event only wakes it, missing one costs time and never truth.
 */
export async function createReconciler(ports: ReconcilerPorts): Promise<Reconciler> {
  const { clock, hypervisor, tasks } = ports
  const books = await VmBooks.load(ports.vms, ports.settings)
  const gate = new DestroyGate({ ...ports, minimum: ports.taking.destroysPerDayMinimum })
  const slots = new Slots(ports.createsAtOnce ?? 2)
  const jobs = new Jobs(ports.backOff)
  const standing = new StandingIssues()
  const leftOver = new LeftOverTasks(tasks, (event) => ports.onTaskEvent?.(event))
  const unconfirmed = new Map<VmId, Unconfirmed>()
  const making = new Map<VmId, Promised>()
  /** Issues that only a read for taking could find, until the next such read. */
  const doubts = new Map<VmId, Extract<Action, { kind: 'nothing' }>>()
  const stopping = new AbortController()
  let woken = Promise.withResolvers<void>()
  let loop: Promise<void> | undefined
  let unwatch: (() => void)[] = []
  let lastPass: PassReport | undefined

  function wake(): void {
    woken.resolve()
  }

  function workFor(contract: ServedContract, key: VmKey, more: Partial<VmWork> = {}): VmWork {
    return { ports, books, contract, key, slots, gate, mined: (what) => unconfirmed.set(vmIdOf(key), what), ...more }
  }

  /** Runs one job to its end and remembers how it went. Never rejects. */
  async function run(id: VmId, job: VmJob, onEvent?: (event: TaskEvent) => void): Promise<void> {
    const emit = (event: TaskEvent): void => {
      ports.onTaskEvent?.(event)
      onEvent?.(event)
    }
    leftOver.takenUpBy(id, job.kind)
    try {
      const record = await runTask(
        {
          kind: job.kind,
          subject: id,
          steps: job.steps,
          context: job.work,
          signal: stopping.signal,
          resumeFailed: jobs.failure(id)?.kind === job.kind,
          ...(job.undoAfter !== undefined && { undoAfter: job.undoAfter }),
        },
        { tasks, clock, onEvent: emit, onFailure: (error) => ports.log?.(`${job.kind} of ${id} failed`, error) },
      )
      if (record.state === 'done') jobs.succeeded(id)
      else if (record.state !== 'interrupted') {
        jobs.failedWith(id, job.kind, record.error === null ? 'It was taken back.' : record.error.detail, performance.now())
        ports.log?.(`${job.kind} of ${id} ended as ${record.state}: ${record.error?.detail ?? ''}`)
      }
    } catch (error) {
      jobs.failedWith(id, job.kind, findAppError(error)?.detail ?? 'The store did not answer.', performance.now())
      ports.log?.(`${job.kind} of ${id} could not be persisted`, error)
    }
  }

  function begin(id: VmId, kind: string, work: () => Promise<boolean>): void {
    jobs.begin(id, kind, async () => {
      let changed = true
      try {
        changed = await work()
      } catch (error) {
        jobs.failedWith(id, kind, findAppError(error)?.detail ?? 'It ended unexpectedly.', performance.now())
        ports.log?.(`${kind} of ${id} failed`, error)
      }
      making.delete(id)
      if (changed) setImmediate(wake)
    })
  }

  async function pass(): Promise<PassReport> {
    const began = performance.now()
    const world = await observe(ports.contracts, hypervisor)
    const found: Omit<StandingIssue, 'since'>[] = hostIssues(world, ports.contracts)
    const report: PassReport = { at: clock.now(), durationMs: 0, vms: 0, began: [] }
    // every VM that is there is in the books before the first decision: a create must not take the address of one
    await adoptFound(world, { books, addresses: ports.addresses }, clock.now())
    found.push(...addressConflicts(books.values()))
    const seen = new Set<string>()
    for (const observed of world.contracts) {
      for (const tokenId of tokenIds(observed, world, books)) {
        report.vms += 1
        const id = vmIdOf({ installation: observed.snapshot.installation, tokenId })
        if (leftOver.subjects.length > 0) seen.add(id)
        if (jobs.kindOf(id) !== undefined) continue
        const issue = await look(world, observed, tokenId, id, report)
        if (issue !== undefined) found.push({ code: issue.code, subject: id, detail: issue.detail })
      }
    }
    if (world.records !== undefined && world.unreadable.length === 0) {
      for (const id of leftOver.subjects) if (!seen.has(id)) await leftOver.settle(id, clock.now())
    }
    // a VM at work keeps the issues that it had: they are decided again when the work has ended
    found.push(...standing.list().filter((i) => jobs.kindOf(i.subject as VmId) !== undefined))
    standing.replace(found, clock.now())
    lastPass = { ...report, durationMs: performance.now() - began }
    return lastPass
  }

  async function look(
    world: World,
    observed: ObservedContract,
    tokenId: bigint,
    id: VmId,
    report: PassReport,
  ): Promise<{ code: string; detail: string } | undefined> {
    const giving = givingView(observed.snapshot, observed.heads, tokenId)
    const record = world.records?.get(id)
    const row = books.get(id)
    const sent = unconfirmed.get(id)
    if (sent !== undefined && giving.block.number >= sent.minedBlock) unconfirmed.delete(id)

    const former = world.superseded.find((one) => vmIdOf(one.key) === id)
    if (observed.provisioner && former !== undefined && row !== undefined && row.generation === record?.key.generation) {
      if (stopping.signal.aborted || jobs.isBackingOff(id, performance.now())) return removalIssue(jobs.failure(id))
      removeFormer(former, id, report)
      return removalIssue(jobs.failure(id))
    }

    if (observed.provisioner && (await isHalfReinstalled(giving, record, row, id, world.records !== undefined))) {
      if (!jobs.isBackingOff(id, performance.now())) resumeReinstall(observed.contract, record, row as StoredVm, report)
      return undefined
    }

    const facts: DecisionFacts = {
      provisioner: observed.provisioner,
      giving,
      taking: 'not-asked',
      vm: actualVm(world, id),
      notes: row && { ...row, keptStopped: books.isKeptStopped(id), graceOverFor: books.graceOverFor(id) },
      noRoom: giving.entitlement?.kind === 'pending' && record === undefined ? await noRoom(world, giving) : undefined,
      destroysAllowed: true,
      unconfirmed: unconfirmed.get(id),
      waitSeconds: ports.taking.waitSeconds,
      servesWasm: ports.servesWasm ?? false,
    }
    const action = decide(facts, clock.now())
    const failure = jobs.failure(id)
    if (action.kind === 'nothing' || action.kind === 'wait-before-end') {
      if (failure !== undefined) jobs.succeeded(id)
      doubts.delete(id)
      if (action.kind === 'nothing' && action.issue === undefined) await leftOver.settle(id, clock.now())
      if (observed.provisioner && needsSettling(giving, row, world)) startSettling(observed.contract, row, id, report)
      return action.kind === 'nothing' && action.issue !== undefined
        ? { code: action.issue, detail: sentence(action.why) }
        : undefined
    }
    const issue = failingIssue(action, failure) ?? doubtOf(doubts.get(id))
    if (stopping.signal.aborted || jobs.isBackingOff(id, performance.now())) return issue
    const previous =
      row ??
      (action.kind === 'create' ? await ports.vms.get({ installation: observed.snapshot.installation, tokenId }) : undefined)
    launch(observed, id, tokenId, action, facts, previous, world)
    report.began.push({ vmId: id, kind: action.kind })
    return issue
  }

  function launch(
    observed: ObservedContract,
    id: VmId,
    tokenId: bigint,
    action: Action,
    facts: DecisionFacts,
    row: StoredVm | undefined,
    world: World,
  ): void {
    const { contract, snapshot } = observed
    const base = workFor(contract, {
      installation: snapshot.installation,
      tokenId,
      generation: world.records?.get(id)?.key.generation ?? row?.generation ?? 1,
    })
    const { subscription, plan } = facts.giving
    const purchase = { ...(subscription && { subscription }), ...(plan && { plan }) }
    if (action.kind === 'create' && plan !== undefined) making.set(id, needOf(plan, true))
    begin(id, action.kind, async () => {
      let chosen = action
      if (chosen.kind === 'read-for-taking') {
        const { taking, ended } = await readForTaking(contract, tokenId, snapshot.nextTokenId)
        chosen = decide({ ...facts, taking }, clock.now())
        if (chosen.kind === 'destroy' && ended !== undefined) {
          const destroysAllowed = await mayDestroyToday(base, world.records?.get(id), ended)
          chosen = decide({ ...facts, taking, destroysAllowed }, clock.now())
        }
      }
      switch (chosen.kind) {
        case 'nothing':
          doubts.set(id, chosen)
          jobs.succeeded(id)
          return false
        case 'wait-before-end':
          if (chosen.isNew && subscription !== undefined) {
            await books.noteGraceOver(base.key, { since: chosen.since, graceEndsAt: subscription.graceEndsAt })
          }
          return false
        case 'forget-grace-over':
          await books.noteGraceOver(base.key, null)
          return true
        case 'read-for-taking':
          return false
        case 'create':
        case 'continue-create':
        case 'reinstall-before-activate':
        case 'reject':
        case 'start':
        case 'suspend':
        case 'send-end':
        case 'destroy':
          doubts.delete(id)
          await run(id, jobFor(chosen, { ...base, ...purchase }, row))
          return true
      }
    })
  }

  /** A read for taking as facts: doubt of any kind is an answer too, and gives no ground. `ended`: why, if it has ended. */
  async function readForTaking(
    contract: ServedContract,
    tokenId: bigint,
    nextTokenId: bigint,
  ): Promise<{ taking: DecisionFacts['taking']; ended?: string }> {
    if (tokenId >= nextTokenId) return { taking: 'never-sold' }
    try {
      const read = await contract.reader.subscriptionForTaking(tokenId)
      return { taking: takingView(read), ended: reasonOf(read.finalized, read.finalizedBlock.timestamp) }
    } catch (error) {
      ports.log?.(`subscription ${tokenId} could not be read for taking`, error)
      return { taking: 'unreadable' }
    }
  }

  /** Books the destroy, or holds it back. What was never delivered holds nothing of anybody and is not counted. */
  function mayDestroyToday({ key }: VmWork, record: VmRecord | undefined, reason: string): Promise<boolean> {
    const delivered = record?.facts.activating === true || wasReady(books.get(vmIdOf(key)))
    return delivered ? gate.pass(markOf(key), reason, vmCount()) : Promise.resolve(true)
  }

  async function noRoom(world: World, { plan }: GivingView): Promise<string | undefined> {
    if (plan === undefined) return undefined
    try {
      const { capacity, snapshots } = await world.capacity()
      const promised = { diskBytes: 0, memoryMiB: 0 }
      for (const [id, need] of making) {
        if (world.records?.has(id) === true) continue
        promised.diskBytes += need.diskBytes
        promised.memoryMiB += need.memoryMiB
      }
      return reasonForNoRoom(needOf(plan, snapshots), capacity, promised)
    } catch (error) {
      return findAppError(error)?.detail ?? 'the hypervisor does not tell its capacity'
    }
  }

  /**
   * A kill stopped a reinstall: the books have the next generation, the hypervisor the former one, or none at all. It is taken up
   * only for whoever asked for it, while he holds the pass; else the books go back to the disk that stands.
   */
  async function isHalfReinstalled(
    giving: GivingView,
    record: VmRecord | undefined,
    row: StoredVm | undefined,
    id: VmId,
    answered: boolean,
  ): Promise<boolean> {
    if (row === undefined || stopping.signal.aborted || !answered) return false
    const begun = books.reinstallOf(id)
    // its disk stands: what comes later is no longer the reinstall's. One that is not protected yet may be half-made
    const wanted = begun?.generation === row.generation && begun.holder === giving.subscription?.holder.toLowerCase()
    if (record !== undefined && record.key.generation >= row.generation && (record.facts.activating || !wanted)) {
      if (begun !== undefined) await books.noteReinstall(row, undefined)
      return false
    }
    if (giving.entitlement?.kind !== 'active' || giving.subscription === undefined) return false
    if (!isSamePurchase(row.origin, giving.subscription)) return false
    if (wanted) return true
    if (record !== undefined && begun !== undefined) {
      ports.log?.(`the reinstall of ${id} is given up: its asker does not hold the pass any more`)
      const { generation } = record.key
      await books.put({ ...row, generation, hostKey: record.facts.hostKey, reportedAt: clock.now(), secretUsedAt: clock.now() })
      await books.noteReinstall(row, undefined)
    }
    return false
  }

  /**
   * The end of a reinstall that a kill cut off: books and hypervisor agree on the new generation, so whoever asked had the right
   * when the disk was changed. Before anything else is done with the VM: both have the same addresses.
   */
  function removeFormer(former: VmRecord, id: VmId, report: PassReport): void {
    report.began.push({ vmId: id, kind: 'reinstall' })
    begin(id, 'reinstall', async () => {
      ports.log?.(`${markOf(former.key)} gave way to a newer generation; it is taken away`)
      await hypervisor.destroy(former.key, { signal: stopping.signal })
      jobs.succeeded(id)
      return true
    })
  }

  function resumeReinstall(contract: ServedContract, record: VmRecord | undefined, row: StoredVm, report: PassReport): void {
    const key = { installation: row.installation, tokenId: row.tokenId, generation: row.generation }
    const id = vmIdOf(key)
    report.began.push({ vmId: id, kind: 'reinstall' })
    begin(id, 'reinstall', async () => {
      const former = record !== undefined && record.key.generation < key.generation ? { from: record.key } : {}
      const work = workFor(contract, key, former)
      await run(id, { kind: 'reinstall', steps: personSteps.reinstall, work })
      return true
    })
  }

  function startSettling(contract: ServedContract, row: StoredVm | undefined, id: VmId, report: PassReport): void {
    if (row === undefined || stopping.signal.aborted) return
    report.began.push({ vmId: id, kind: 'settle' })
    begin(id, 'settle', async () => {
      await settleCreate(workFor(contract, row), tasks, (job) => run(id, job))
      return false
    })
  }

  function vmCount(): number {
    return [...books.values()].length
  }

  async function loopForever(): Promise<void> {
    while (!stopping.signal.aborted) {
      woken = Promise.withResolvers()
      try {
        await pass()
      } catch (error) {
        ports.log?.('a pass failed', error)
      }
      const early = new AbortController()
      const pause = Math.min(passEveryMs, jobs.nextTryMs(performance.now()) ?? passEveryMs)
      await Promise.race([woken.promise, clock.wait(pause, AbortSignal.any([stopping.signal, early.signal]))])
      early.abort()
      await clock.wait(passGapMs, stopping.signal)
    }
  }

  return {
    books,
    takeUp: () => leftOver.load(),
    async start() {
      await leftOver.load()
      unwatch = [...ports.contracts.map(({ reader }) => reader.watch(wake)), hypervisor.watch(wake)]
      loop = loopForever()
    },
    async stop() {
      stopping.abort(new Error('The daemon stops.'))
      for (const end of unwatch) end()
      wake()
      await loop
      await jobs.settled()
    },
    wake,
    pass,
    settled: () => jobs.settled(),
    status: () => ({ lastPass, running: jobs.running, issues: standing.list() }),
    async perform(key, kind, make) {
      const contract = ports.contracts.find((c) => c.reader.installation === key.installation)
      if (contract === undefined) throw new TypeError(`no contract ${key.installation}`)
      const id = vmIdOf(key)
      const first = Promise.withResolvers<TaskRecord>()
      begin(id, kind, async () => {
        await run(id, make(workFor(contract, key)), (event) => {
          if (event.type === 'task') first.resolve(event.task)
        })
        first.reject(new Error('the job could not be persisted'))
        return true
      })
      return first.promise
    },
    async allowDestroys(vmIds) {
      const rows = vmIds.map((id) => books.get(id)).filter((row) => row !== undefined)
      await gate.allow(rows.map(markOf))
      wake()
    },
  }
}
