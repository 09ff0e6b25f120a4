import { vmIdOf, type VmId } from '../chain/installation.ts'
import type { ChainSnapshot } from '../chain/port.ts'
import type { Subscription } from '../chain/subscription.ts'
import { Breath } from '../clock/breath.ts'
import type { Clock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import type { PassWatchRepository, WatchedPass } from '../store/pass-watch.ts'
import type { StoredVm } from '../store/vms.ts'
import { entitlement } from '../subscriptions/entitlement.ts'

/** What the watch looks at: the host's facts in memory. */
export interface PassFacts {
  contracts: readonly { latest: ChainSnapshot; giving: ChainSnapshot }[]
  /** By vmId. */
  vms: ReadonlyMap<string, StoredVm>
}

export interface PassWatchPorts {
  clock: Clock
  facts(): PassFacts
  /** Neither given nor taken from while the chain is not known. */
  isStale(): boolean
  /** Calls on every change of the newest block. Returns what ends it. */
  onChange(listener: () => void): () => void
  rows: PassWatchRepository
  /** Ends the connections from outside to port 22 of a VM; called again until it has worked. */
  cutConnections(vm: StoredVm): Promise<void>
  log(line: string, cause?: unknown): void
}

/**
 * Follows who holds the passes, by level: persisted what was seen last, compared with what is. A missed block, a crash or a
 * restart costs time and never truth.
 */
export interface PassWatch {
  /** Begins to look: now, at each new block and every ten seconds. */
  start(): void
  /** One look; tests call it. Never rejects: what fails is logged and tried at the next look. */
  look(): Promise<void>
  /** The former holder who may have left something behind in the VM that `holder` has now; null if nobody, or kept (L5). */
  formerHolder(vm: StoredVm | undefined, holder: string): string | null
  /**
   * The holder knows that another was root and keeps the VM as it is. May be called again. Throws `pass-not-confirmed` while too
   * few blocks stand upon the transfer, `vm-unknown`.
   */
  keep(vm: StoredVm | undefined, holder: string): Promise<void>
  stop(): Promise<void>
}

const lookEveryMs = 10_000

export async function createPassWatch(ports: PassWatchPorts): Promise<PassWatch> {
  const known = new Map<string, WatchedPass>((await ports.rows.list()).map((row) => [vmIdOf(row), row]))
  const stopping = new AbortController()
  let woken = Promise.withResolvers<void>()
  let unwatch: () => void = () => undefined
  let loop: Promise<void> | undefined

  async function look(): Promise<void> {
    if (ports.isStale()) return
    const { contracts, vms } = ports.facts()
    // side by side: a helper that does not answer for one VM keeps no other waiting (P5)
    const work: Promise<void>[] = []
    const breath = new Breath()
    for (const { latest, giving } of contracts) {
      for (const subscription of latest.subscriptions.values()) {
        if (breath.due) await breath.take()
        const vmId = vmIdOf(subscription)
        const vm = vms.get(vmId)
        const settled = giving.subscriptions.get(subscription.tokenId)
        const due = vm && settled && follow(vmId, vm, settled, subscription, latest.block.timestamp)
        if (due !== undefined) work.push(due)
      }
    }
    // ended subscriptions are in no snapshot any more; their VMs run until the end is final
    for (const [vmId, pass] of known) {
      const latest = contracts.find((c) => c.latest.installation === pass.installation)?.latest
      if (latest === undefined || latest.subscriptions.has(pass.tokenId)) continue
      const vm = vms.get(vmId)
      work.push(vm === undefined ? forget(vmId, pass) : cut(vm, pass, null))
    }
    await Promise.all(work)
  }

  /** One VM. `settled` is what the giving depth says, `newest` the latest block. Undefined: nothing is to do, as nearly always. */
  function follow(vmId: VmId, vm: StoredVm, settled: Subscription, newest: Subscription, now: number): Promise<void> | undefined {
    const holder = settled.holder.toLowerCase()
    const delivered = settled.state === 'active'
    // a VM that is new here belongs to its buyer; with a lost store that errs towards telling too much
    const before = known.get(vmId) ?? first(vm, delivered ? vm.origin.buyer.toLowerCase() : holder)
    let next = before
    if (before.generation !== vm.generation) next = { ...first(vm, holder), letIn: before.letIn, lastIn: before.lastIn }
    else if (before.holder !== holder) next = { ...before, holder, former: delivered ? before.holder : null }
    const letIn = entitlement(newest, now).kind === 'active' ? newest.holder.toLowerCase() : null
    const isNew = !known.has(vmId) || next !== before
    return !isNew && next.letIn === letIn ? undefined : noteAndCut(vm, next, isNew, letIn)
  }

  async function noteAndCut(vm: StoredVm, pass: WatchedPass, isNew: boolean, letIn: string | null): Promise<void> {
    if (isNew) await save(pass)
    await cut(vm, pass, letIn)
  }

  /** Nobody's connections outlive the right they were made under. */
  async function cut(vm: StoredVm, pass: WatchedPass, letIn: string | null): Promise<void> {
    if (pass.letIn === letIn) return
    // while nobody is let in, a plain key of the last one may still have opened something
    const inside = pass.letIn ?? pass.lastIn
    if (inside !== null && inside !== letIn) {
      try {
        await ports.cutConnections(vm)
      } catch (error) {
        ports.log(`the connections to VM ${vmIdOf(vm)} could not be cut; tried again`, error)
        return
      }
    }
    await save({ ...pass, letIn, lastIn: letIn ?? inside })
  }

  async function save(pass: WatchedPass): Promise<void> {
    await ports.rows.put(pass)
    known.set(vmIdOf(pass), pass)
  }

  async function forget(vmId: string, pass: WatchedPass): Promise<void> {
    await ports.rows.remove(pass)
    known.delete(vmId)
  }

  // one after the other: a look and a keep never overwrite each other
  let turn: Promise<unknown> = Promise.resolve()
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = turn.then(work)
    turn = mine.catch(() => undefined)
    return mine
  }

  function lookInTurn(): Promise<void> {
    return inTurn(look).catch((error: unknown) => ports.log('the passes could not be followed', error))
  }

  async function follows(): Promise<void> {
    while (!stopping.signal.aborted) {
      woken = Promise.withResolvers<void>()
      const early = new AbortController()
      void woken.promise.then(() => early.abort())
      await lookInTurn()
      await ports.clock.wait(lookEveryMs, AbortSignal.any([stopping.signal, early.signal]))
    }
  }

  return {
    start() {
      unwatch = ports.onChange(() => woken.resolve())
      loop = follows()
    },
    look: lookInTurn,
    formerHolder(vm, holder) {
      if (vm === undefined) return null
      const pass = known.get(vmIdOf(vm))
      // between the reinstall's first step and the next look the fresh generation is nobody else's
      if (pass === undefined || pass.generation !== vm.generation) return null
      const now = holder.toLowerCase()
      return pass.holder === now ? pass.former : pass.holder
    },
    keep: (vm, holder) =>
      inTurn(async () => {
        const pass = vm && known.get(vmIdOf(vm))
        if (vm === undefined || pass === undefined || pass.generation !== vm.generation) {
          throw new AppError({ code: 'vm-unknown', detail: 'This VM is not here any more.' })
        }
        if (pass.holder !== holder.toLowerCase()) {
          throw new AppError({
            code: 'pass-not-confirmed',
            detail: `The pass has come to ${holder}, but too few blocks stand upon it yet.`,
          })
        }
        if (pass.former !== null) await save({ ...pass, former: null })
      }),
    async stop() {
      stopping.abort()
      unwatch()
      await loop
      await turn
    },
  }
}

function first({ installation, tokenId, generation }: StoredVm, holder: string): WatchedPass {
  return { installation, tokenId, generation, holder, former: null, letIn: null, lastIn: null }
}
