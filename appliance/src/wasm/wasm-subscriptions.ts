import { z } from 'zod'
import { markOf, vmIdOf } from '../chain/installation.ts'
import type { ChainReader, ChainSnapshot, Heads, Provisioner } from '../chain/port.ts'
import type { Subscription } from '../chain/subscription.ts'
import type { Clock } from '../clock/clock.ts'
import type { SettingRepository } from '../store/settings.ts'
import { rejectShare } from '../subscriptions/decide.ts'
import { entitlement } from '../subscriptions/entitlement.ts'
import { givingView, mayEnd, takingView } from '../subscriptions/views.ts'

/** What is to be done with one subscription of kind WASM. */
export type WasmAction =
  | { kind: 'nothing'; why: string }
  | { kind: 'activate' }
  | { kind: 'reject' }
  /** Its grace is over at the giving depth: read for taking, wait by our own clock, then end it. */
  | { kind: 'look-at-the-end' }

export interface WasmFacts {
  /** Our key is PROVISIONER at the giving depth. */
  provisioner: boolean
  giving: ReturnType<typeof givingView>
  /** freehold-wasmd has taken the newest table of plans. */
  delivers: boolean
}

/**
 * The rule for one subscription of kind WASM (design §6): given is by the giving depth and only what can be delivered now; with
 * less than a quarter of the deadline left the money goes back. Pure.
 */
export function decideWasm({ provisioner, giving, delivers }: WasmFacts): WasmAction {
  if (!provisioner) return { kind: 'nothing', why: 'this host is not the provisioner' }
  const { subscription, plan, entitlement: given, latestTime, stale } = giving
  if (subscription === undefined || plan?.kind !== 'wasm') return { kind: 'nothing', why: 'not of kind WASM' }
  if (given?.kind === 'graceOver') return stale ? { kind: 'nothing', why: 'the chain is stale' } : { kind: 'look-at-the-end' }
  if (given?.kind !== 'pending') return { kind: 'nothing', why: 'as it should be' }
  const left = subscription.activationDeadline - latestTime
  const late = left < (subscription.activationDeadline - subscription.boughtAt) * rejectShare
  if (left > 0 && delivers) return { kind: 'activate' }
  if (left > 0 && !late) return { kind: 'nothing', why: 'the service does not answer yet' }
  return stale ? { kind: 'nothing', why: 'the chain is stale' } : { kind: 'reject' }
}

export interface WasmSubscriptionsPorts {
  contracts: readonly { reader: ChainReader; provisioner: Provisioner }[]
  settings: Pick<SettingRepository, 'get' | 'put' | 'remove'>
  clock: Clock
  /** How long our own clock must have seen a finalized block past the grace before `end` is sent. */
  waitSeconds: number
  /** Asks the service itself: one that has just died is not to be found out after the purchase was activated. */
  delivers(): Promise<boolean>
  log(line: string, cause?: unknown): void
}

export interface WasmSubscriptions {
  start(): void
  wake(): void
  /** One look at all; resolves when what it began is mined or refused. */
  pass(): Promise<void>
  stop(): Promise<void>
}

const passEveryMs = 30_000
/** After a pass in which something failed. */
const againMs = 2000
const pauseMs = 250
const overSchema = z.strictObject({ since: z.number().int(), graceEndsAt: z.number().int() })

/** Activates purchases of kind WASM, gives back what cannot be delivered, ends what is over. By level: a wake only hurries it. */
export function createWasmSubscriptions(ports: WasmSubscriptionsPorts): WasmSubscriptions {
  const { clock, settings } = ports
  const stopping = new AbortController()
  let woken = Promise.withResolvers<void>()
  let loop: Promise<void> | undefined
  let unwatch: (() => void)[] = []

  /** Says whether all could be looked at. */
  async function lookAtAll(): Promise<boolean> {
    let whole = true
    for (const { reader, provisioner } of ports.contracts) {
      if (stopping.signal.aborted) return whole
      try {
        const [heads, snapshot] = [await reader.heads(), await reader.snapshot('giving')]
        const wasm = new Set(snapshot.plans.filter((plan) => plan.kind === 'wasm').map((plan) => plan.planId))
        for (const subscription of snapshot.subscriptions.values()) {
          if (!wasm.has(subscription.planId)) continue
          if (!(await look(reader, provisioner, snapshot, heads, subscription))) whole = false
        }
      } catch (error) {
        whole = false
        ports.log('subscriptions of kind WASM could not be looked at', error)
      }
    }
    return whole
  }

  async function look(
    reader: ChainReader,
    provisioner: Provisioner,
    snapshot: ChainSnapshot,
    heads: Heads,
    { tokenId }: Subscription,
  ): Promise<boolean> {
    const mine = snapshot.provisioner.toLowerCase() === provisioner.address.toLowerCase()
    const giving = givingView(snapshot, heads, tokenId)
    const delivers = mine && giving.entitlement?.kind === 'pending' && (await ports.delivers())
    const action = decideWasm({ provisioner: mine, giving, delivers })
    const id = vmIdOf({ installation: snapshot.installation, tokenId })
    try {
      switch (action.kind) {
        case 'nothing':
          return true
        case 'activate':
        case 'reject': {
          // the snapshot may be a block behind: what has happened is not asked for again
          const now = await reader.subscription(tokenId, (await reader.heads()).latest)
          if (now === undefined || entitlement(now, 0).kind !== 'pending') return true
          const done = await provisioner[action.kind](tokenId, stopping.signal)
          ports.log(`${action.kind} of ${id}: ${done.state === 'refused' ? done.reason : done.hash}`)
          return true
        }
        case 'look-at-the-end':
          await lookAtTheEnd(reader, provisioner, tokenId, snapshot.installation)
          return true
      }
    } catch (error) {
      if (!stopping.signal.aborted) ports.log(`${action.kind} of ${id} failed; it is tried again`, error)
      return false
    }
  }

  async function lookAtTheEnd(
    reader: ChainReader,
    provisioner: Provisioner,
    tokenId: bigint,
    installation: string,
  ): Promise<void> {
    const read = await reader.subscriptionForTaking(tokenId)
    const key = `wasm-over ${markOf({ installation, tokenId, generation: 1 })}`
    if (!mayEnd(takingView(read))) return
    const { graceEndsAt } = read.finalized
    const seen = await settings.get(key, overSchema)
    // a note of an earlier grace counts for nothing: an extension may lie in between
    if (seen?.graceEndsAt !== graceEndsAt) return await settings.put(key, { since: clock.now(), graceEndsAt })
    if (clock.now() - seen.since < ports.waitSeconds) return
    await provisioner.end(tokenId, stopping.signal)
    await settings.remove(key)
    ports.log(`end of ${vmIdOf({ installation, tokenId })} was sent`)
  }

  async function follow(): Promise<void> {
    while (!stopping.signal.aborted) {
      woken = Promise.withResolvers()
      const pause = (await lookAtAll()) ? passEveryMs : againMs
      const early = new AbortController()
      await Promise.race([woken.promise, clock.wait(pause, AbortSignal.any([stopping.signal, early.signal]))])
      early.abort()
      await clock.wait(pauseMs, stopping.signal)
    }
  }

  const wake = (): void => woken.resolve()
  return {
    start() {
      unwatch = ports.contracts.map(({ reader }) => reader.watch(wake))
      loop = follow()
    },
    wake,
    async pass() {
      await lookAtAll()
    },
    async stop() {
      stopping.abort(new Error('The daemon stops.'))
      for (const end of unwatch) end()
      wake()
      await loop
    },
  }
}
