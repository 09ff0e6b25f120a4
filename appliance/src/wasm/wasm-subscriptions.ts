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
  delivers(): boolean
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
const pauseMs = 250
const overSchema = z.strictObject({ since: z.number().int(), graceEndsAt: z.number().int() })

/** Activates purchases of kind WASM, gives back what cannot be delivered, ends what is over. By level: a wake only hurries it. */
export function createWasmSubscriptions(ports: WasmSubscriptionsPorts): WasmSubscriptions {
  const { clock, settings } = ports
  const stopping = new AbortController()
  let woken = Promise.withResolvers<void>()
  let loop: Promise<void> | undefined
  let unwatch: (() => void)[] = []

  async function pass(): Promise<void> {
    for (const { reader, provisioner } of ports.contracts) {
      if (stopping.signal.aborted) return
      try {
        const [heads, snapshot] = [await reader.heads(), await reader.snapshot('giving')]
        const wasm = new Set(snapshot.plans.filter((plan) => plan.kind === 'wasm').map((plan) => plan.planId))
        for (const subscription of snapshot.subscriptions.values()) {
          if (wasm.has(subscription.planId)) await look(reader, provisioner, snapshot, heads, subscription)
        }
      } catch (error) {
        ports.log('subscriptions of kind WASM could not be looked at', error)
      }
    }
  }

  async function look(
    reader: ChainReader,
    provisioner: Provisioner,
    snapshot: ChainSnapshot,
    heads: Heads,
    { tokenId }: Subscription,
  ): Promise<void> {
    const mine = snapshot.provisioner.toLowerCase() === provisioner.address.toLowerCase()
    const action = decideWasm({ provisioner: mine, giving: givingView(snapshot, heads, tokenId), delivers: ports.delivers() })
    const id = vmIdOf({ installation: snapshot.installation, tokenId })
    try {
      switch (action.kind) {
        case 'nothing':
          return
        case 'activate':
        case 'reject': {
          // the snapshot may be a block behind: what has happened is not asked for again
          const now = await reader.subscription(tokenId, (await reader.heads()).latest)
          if (now === undefined || entitlement(now, 0).kind !== 'pending') return
          const done = await provisioner[action.kind](tokenId, stopping.signal)
          ports.log(`${action.kind} of ${id}: ${done.state === 'refused' ? done.reason : done.hash}`)
          return
        }
        case 'look-at-the-end':
          return await lookAtTheEnd(reader, provisioner, tokenId, snapshot.installation)
      }
    } catch (error) {
      if (!stopping.signal.aborted) ports.log(`${action.kind} of ${id} failed; it is tried again`, error)
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
      await pass()
      const early = new AbortController()
      await Promise.race([woken.promise, clock.wait(passEveryMs, AbortSignal.any([stopping.signal, early.signal]))])
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
    pass,
    async stop() {
      stopping.abort(new Error('The daemon stops.'))
      for (const end of unwatch) end()
      wake()
      await loop
    },
  }
}
