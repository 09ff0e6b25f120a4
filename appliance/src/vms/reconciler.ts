import { markOf, vmIdOf, type VmId, type VmKey } from '../chain/installation.ts'
import { ClockJump } from '../clock/clock-jump.ts'
import { Breath } from '../clock/breath.ts'
import type { UnixSeconds } from '../clock/clock.ts'
import type { Config } from '../config/schema.ts'
import type { VmRecord } from '../hypervisor/port.ts'
import type { RetryPolicy } from '../steps/retry.ts'
import type { TaskRecord } from '../steps/step.ts'
import type { TaskEvent } from '../steps/task-store.ts'
import type { DestroyRepository } from '../store/destroys.ts'
import type { SettingRepository } from '../store/settings.ts'
import type { TaskRepository } from '../store/tasks.ts'
import type { StoredVm, VmRepository } from '../store/vms.ts'
import { decide, type Action, type DecisionFacts, type Unconfirmed } from '../subscriptions/decide.ts'
import { givingView, type GivingView } from '../subscriptions/views.ts'
import { DestroyGate } from './destroy-gate.ts'
import { wasReady } from './guards.ts'
import { isHalfReinstalled } from './half-reinstalled.ts'
import { JobRunner } from './job-runner.ts'
import { Jobs } from './jobs.ts'
import { LeftOverTasks } from './left-over-tasks.ts'
import { jobFor, settleCreate, type VmJob } from './vm-jobs.ts'
import { AddressConflicts } from './address-conflicts.ts'
import { adoptFound } from './adoption.ts'
import { actualVm, needsSettling, notesOf, tokenIds } from './pass-facts.ts'
import { doubtOf, failingIssue, hostIssues, removalIssue, sentence } from './pass-issues.ts'
import { personSteps } from './person-steps.ts'
import { Making } from './making.ts'
import { Slots } from './slots.ts'
import { StandingIssues, type StandingIssue } from './standing-issues.ts'
import { readForTaking, type Ended } from './taking.ts'
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

/** The issue that stands because of one VM, if any. */
type Looked = { code: string; detail: string } | undefined

/** One VM as a pass looks at it. */
interface Looking {
  world: World
  observed: ObservedContract
  tokenId: bigint
  id: VmId
  report: PassReport
  giving: GivingView
  record: VmRecord | undefined
  row: StoredVm | undefined
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
  const making = new Making()
  const clockJump = new ClockJump(clock)
  const conflicts = new AddressConflicts(books)
  /** Whose work ended while a pass looked: what it saw of them may be older than the work. The next pass looks at them. */
  const endedMeanwhile = new Set<VmId>()
  /** Issues that only a read for taking could find, until the next such read. */
  const doubts = new Map<VmId, Extract<Action, { kind: 'nothing' }>>()
  const stopping = new AbortController()
  let woken = Promise.withResolvers<void>()
  let loop: Promise<void> | undefined
  let unwatch: (() => void)[] = []
  let lastPass: PassReport | undefined
  const runner = new JobRunner({
    ...ports,
    jobs,
    leftOver,
    signal: stopping.signal,
    ended(id, changed) {
      making.end(id)
      endedMeanwhile.add(id)
      if (changed) setImmediate(wake)
    },
  })

  function wake(): void {
    woken.resolve()
  }

  function workFor(contract: ServedContract, key: VmKey, more: Partial<VmWork> = {}): VmWork {
    return { ports, books, contract, key, slots, gate, mined: (what) => unconfirmed.set(vmIdOf(key), what), ...more }
  }

  async function pass(): Promise<PassReport> {
    const began = performance.now()
    endedMeanwhile.clear()
    const world = await observe(ports.contracts, hypervisor)
    const jump = clockJump.look()
    if (jump !== 0) await waitAnew(jump)
    const found: Omit<StandingIssue, 'since'>[] = hostIssues(world, ports.contracts)
    const report: PassReport = { at: clock.now(), durationMs: 0, vms: 0, began: [] }
    // every VM that is there is in the books before the first decision: a create must not take the address of one
    await adoptFound(world, { books, addresses: ports.addresses }, clock.now())
    const { records } = world
    const snapshots = world.contracts.map(({ snapshot }) => snapshot)
    // who is there is not known while the hypervisor is silent: then all count
    found.push(...conflicts.among((id) => records?.has(id) ?? true, snapshots))
    const seen = new Set<string>()
    const breath = new Breath()
    for (const observed of world.contracts) {
      for (const tokenId of tokenIds(observed, world, books)) {
        if (breath.due) await breath.take()
        report.vms += 1
        const id = vmIdOf({ installation: observed.snapshot.installation, tokenId })
        if (leftOver.size > 0) seen.add(id)
        if (jobs.kindOf(id) !== undefined || endedMeanwhile.has(id)) continue
        const looked = look(world, observed, tokenId, id, report)
        // nearly all need nothing: ten thousand promises a pass are megabytes
        const issue = looked instanceof Promise ? await looked : looked
        if (issue !== undefined) found.push({ code: issue.code, subject: id, detail: issue.detail })
      }
    }
    if (world.records !== undefined && world.unreadable.length === 0) {
      for (const id of leftOver.subjects) if (!seen.has(id)) await leftOver.settle(id, clock.now())
    }
    // a VM at work keeps the issues that it had: they are decided again when the work has ended
    const keeps = (id: VmId): boolean => jobs.kindOf(id) !== undefined || endedMeanwhile.has(id)
    found.push(...standing.list().filter((i) => keeps(i.subject as VmId)))
    standing.replace(found, clock.now())
    if (endedMeanwhile.size > 0) setImmediate(wake)
    lastPass = { ...report, durationMs: performance.now() - began }
    return lastPass
  }

  /** The wait before `end` runs by our own clock. One that was set proves no wait: they begin anew, never shorter. */
  async function waitAnew(jump: number): Promise<void> {
    for (const row of [...books.values()]) {
      const graceEndsAt = books.graceOverFor(vmIdOf(row))
      if (row.graceOverSeenSince === null || graceEndsAt === null) continue
      await books.noteGraceOver(row, { since: clock.now(), graceEndsAt })
      ports.log?.(`the clock was set by ${jump} s: the wait before the end of ${vmIdOf(row)} begins anew`)
    }
  }

  /** Decides about one VM. A promise only where something must be asked or written first. */
  function look(
    world: World,
    observed: ObservedContract,
    tokenId: bigint,
    id: VmId,
    report: PassReport,
  ): Looked | Promise<Looked> {
    const giving = givingView(observed.snapshot, observed.heads, tokenId)
    const record = world.records?.get(id)
    const row = books.get(id)
    const sent = unconfirmed.get(id)
    if (sent !== undefined && giving.block.number >= sent.minedBlock) unconfirmed.delete(id)

    const former = world.superseded.length === 0 ? undefined : world.superseded.find((one) => vmIdOf(one.key) === id)
    if (observed.provisioner && former !== undefined && row !== undefined && row.generation === record?.key.generation) {
      if (stopping.signal.aborted || jobs.isBackingOff(id, performance.now())) return removalIssue(jobs.failure(id))
      removeFormer(former, id, report)
      return removalIssue(jobs.failure(id))
    }

    const vm: Looking = { world, observed, tokenId, id, report, giving, record, row }
    const mayResume = observed.provisioner && !stopping.signal.aborted && world.records !== undefined
    if (mayResume && books.reinstallOf(id) !== undefined) return lookAtReinstall(vm)
    return byTheRule(vm)
  }

  async function lookAtReinstall(vm: Looking): Promise<Looked> {
    const { id, record, row, report, observed } = vm
    if (!(await isHalfReinstalled(vm, books, clock.now(), ports.log))) return await byTheRule({ ...vm, row: books.get(id) })
    if (!jobs.isBackingOff(id, performance.now())) resumeReinstall(observed.contract, record, row as StoredVm, report)
    return undefined
  }

  function byTheRule(vm: Looking): Looked | Promise<Looked> {
    const { giving, record, world } = vm
    if (giving.entitlement?.kind !== 'pending' || record !== undefined) return decideOn(vm, undefined)
    return making.noRoom(world, giving.plan).then((noRoom) => decideOn(vm, noRoom))
  }

  function decideOn(vm: Looking, noRoom: string | undefined): Looked | Promise<Looked> {
    const { world, observed, tokenId, id, report, giving, row } = vm
    const facts: DecisionFacts = {
      provisioner: observed.provisioner,
      giving,
      taking: 'not-asked',
      vm: actualVm(world, id),
      notes: row && notesOf(row, books),
      noRoom,
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
      const found = action.kind === 'nothing' && action.issue !== undefined ? action : undefined
      if (action.kind === 'nothing' && found === undefined && leftOver.has(id)) {
        return leftOver.settle(id, clock.now()).then(() => settleIfActive(vm))
      }
      settleIfActive(vm)
      return found?.issue && { code: found.issue, detail: sentence(found.why) }
    }
    const issue = failingIssue(action, failure) ?? doubtOf(doubts.get(id))
    if (stopping.signal.aborted || jobs.isBackingOff(id, performance.now())) return issue
    report.began.push({ vmId: id, kind: action.kind })
    const begin = (previous: StoredVm | undefined): Looked => {
      launch(observed, id, tokenId, action, facts, previous, world)
      return issue
    }
    if (row !== undefined || action.kind !== 'create') return begin(row)
    return ports.vms.get({ installation: observed.snapshot.installation, tokenId }).then(begin)
  }

  function settleIfActive({ observed, giving, row, world, id, report }: Looking): undefined {
    if (observed.provisioner && needsSettling(giving, row, world)) startSettling(observed.contract, row, id, report)
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
    if (action.kind === 'create' && plan !== undefined) making.begin(id, plan)
    runner.tryBegin(id, action.kind, async () => {
      let chosen = action
      if (chosen.kind === 'read-for-taking') {
        const { taking, ended } = await readForTaking(contract, tokenId, snapshot.nextTokenId, ports.log)
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
          await runner.run(id, jobFor(chosen, { ...base, ...purchase }, row))
          return true
      }
    })
  }

  /** Books the destroy, or holds it back. What was never delivered holds nothing of anybody and is not counted. */
  function mayDestroyToday({ key, contract }: VmWork, record: VmRecord | undefined, ended: Ended): Promise<boolean> {
    const delivered = record?.facts.activating === true || wasReady(books.get(vmIdOf(key)))
    return delivered ? gate.pass(markOf(key), ended, contract.reader, vmCount()) : Promise.resolve(true)
  }

  /**
   * The end of a reinstall that a kill cut off: books and hypervisor agree on the new generation, so whoever asked had the right
   * when the disk was changed. Before anything else is done with the VM: both have the same addresses.
   */
  function removeFormer(former: VmRecord, id: VmId, report: PassReport): void {
    report.began.push({ vmId: id, kind: 'reinstall' })
    runner.tryBegin(id, 'reinstall', async () => {
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
    runner.tryBegin(id, 'reinstall', async () => {
      const former = record !== undefined && record.key.generation < key.generation ? { from: record.key } : {}
      const work = workFor(contract, key, former)
      await runner.run(id, { kind: 'reinstall', steps: personSteps.reinstall, work })
      return true
    })
  }

  function startSettling(contract: ServedContract, row: StoredVm | undefined, id: VmId, report: PassReport): void {
    if (row === undefined || stopping.signal.aborted) return
    report.began.push({ vmId: id, kind: 'settle' })
    runner.tryBegin(id, 'settle', async () => {
      await settleCreate(workFor(contract, row), tasks, (job) => runner.run(id, job))
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
      runner.begin(id, kind, async () => {
        await runner.run(id, make(workFor(contract, key)), (event) => {
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
