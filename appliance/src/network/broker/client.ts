import type { Clock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import { announcementsOf } from './announcements.ts'
import { chooseBrokers, type BrokerOffer, type BrokerPolicy } from './choice.ts'
import type { Endpoint } from 'wireguard-ts/address'
import { checkGrant, endpointOf, type Grant } from './grant.ts'
import type { BrokerService, TunnelHost, TunnelStore } from './ports.ts'
import { lookUpAgainSeconds, probeSeconds, renewalIsDue, stateOf, type Tunnel, type TunnelState } from './tunnel-state.ts'

export interface BrokerClientOptions {
  service: BrokerService
  host: TunnelHost
  store: TunnelStore
  clock: Clock
  policy: BrokerPolicy
  prefixLength?: 56 | 64
  /** Stands in namespaces have endpoints of private networks. */
  allowPrivateEndpoint?: boolean
  log(line: string, cause?: unknown): void
}

/** What stands in the way, for the health checks; texts are `issues.ts`. */
export interface BrokerTrouble {
  kind: 'tunnel-down' | 'broker-silent' | 'broker-refused' | 'broker-unreachable'
  subject: string
  detail: string
}

export interface BrokerClient {
  /** Before anything else at boot: tunnels and announcements as kept, nobody asked. */
  restore(): Promise<void>
  /** One round: probe, announce, renew, ask. A failure of a broker or of the registry changes nothing that stands. */
  round(): Promise<void>
  /** Rounds until the signal aborts: one begins every `probeSeconds`, at once while a tunnel waits for its first answer. */
  run(signal: AbortSignal): Promise<void>
  /** Other wishes from now on; a broker left keeps its prefix valid until VMs have moved. */
  setPolicy(policy: BrokerPolicy): void
  tunnels(): readonly { tunnel: Tunnel; state: TunnelState }[]
  troubles(): readonly BrokerTrouble[]
}

/** Brokers are compared again so often; tunnels are probed at every round. */
const chooseEverySeconds = 600
/** A tunnel that has not answered by then does not count. */
const provenWithinSeconds = 60
/** A broker that refused is left alone for this long. */
const refusedPauseSeconds = 900

/** The appliance's client of IPv6 brokers. Pure rules decide (`tunnel-state.ts`, `choice.ts`, `announcements.ts`); this carries out. */
export function createBrokerClient(options: BrokerClientOptions): BrokerClient {
  const { service, host, store, clock, log } = options
  let { policy } = options
  let tunnels: Tunnel[] = []
  let announced = ''
  let set = ''
  let chosenAt: number | undefined
  /** Why the tunnels do not stand as they are to be. */
  let unset: string | undefined
  let applying: Promise<void> = Promise.resolve()
  const troubles = new Map<string, BrokerTrouble>()
  const refusedAt = new Map<string, number>()

  const trouble = (kind: BrokerTrouble['kind'], subject: string, error: unknown): void => {
    const detail = error instanceof AppError ? error.detail : 'It did not answer.'
    troubles.set(`${kind} ${subject}`, { kind, subject, detail })
    log(`${kind}: ${subject}: ${detail}`, error)
  }

  /** Kept first, then made true: killed in between, the next start ends in the same world. */
  async function keep(next: readonly Tunnel[]): Promise<void> {
    tunnels = [...next]
    await store.save(tunnels)
  }

  /** One at a time: what is set last is what is wanted last. */
  function apply(): Promise<void> {
    const next = applying.then(applyNow)
    applying = next.catch(() => undefined)
    return next
  }

  async function applyNow(): Promise<void> {
    const open = tunnels.filter((t) => stateOf(t, clock.now()) !== 'over').map(({ grant, endpoint }) => ({ grant, endpoint }))
    const text = open
      .map(({ grant: g, endpoint: e }) =>
        [g.broker.id, g.prefix, g.publicKey, g.presharedKey ?? '', e.host, e.port, g.gateway, g.mtu].join(' '),
      )
      .join('\n')
    if (text !== set) await host.setTunnels(open)
    set = text
    const announcements = announcementsOf(tunnels, clock.now())
    // the seconds left shrink by themselves; what is told anew is who is preferred
    const said = announcements.map((a) => `${a.prefix} ${a.preferredSeconds > 0} ${a.validSeconds > 0}`).join('\n')
    if (said !== announced) await host.announce(announcements)
    announced = said
  }

  async function probeAll(): Promise<void> {
    const asked = tunnels.map(({ grant }) => grant)
    const answers = await Promise.all(asked.map((grant) => host.probe(grant).catch(() => undefined)))
    const now = clock.now()
    // a tunnel that was replaced meanwhile has not answered
    const answered = new Map(asked.flatMap((grant, i) => (answers[i] === undefined ? [] : [[grant.prefix, answers[i]]])))
    tunnels = tunnels.map((t) => {
      const latencyMs = answered.get(t.grant.prefix)
      return latencyMs === undefined ? t : { ...t, latencyMs, lastAnswerAt: now }
    })
  }

  async function renewAll(): Promise<void> {
    for (const tunnel of tunnels.filter((t) => renewalIsDue(t, clock.now()))) {
      const { grant } = tunnel
      try {
        const fresh = await service.renew(grant)
        const endpoint = await check(fresh, grant)
        await patch(grant, { grant: fresh, endpoint, lookedUpAt: clock.now(), lastRenewalAttemptAt: clock.now() })
        troubles.delete(`broker-refused ${grant.broker.id}`)
      } catch (error) {
        await patch(grant, { lastRenewalAttemptAt: clock.now() })
        trouble('broker-refused', grant.broker.id, error)
      }
    }
  }

  async function check(grant: Grant, former?: Grant): Promise<Endpoint> {
    if (former !== undefined && grant.prefix !== former.prefix) {
      throw new AppError({
        code: 'broker-offer-refused',
        detail: `At renewal it granted ${grant.prefix} in place of ${former.prefix}.`,
        hint: 'Nothing was changed. Release the lease and ask anew if the change is meant.',
      })
    }
    return await checkGrant(grant, {
      now: clock.now(),
      ownNetworks: await host.ownNetworks(),
      leased: tunnels.filter((t) => t.grant.broker.id !== grant.broker.id).map((t) => t.grant.prefix),
      lookUp: (name) => host.lookUp(name),
      ...(options.allowPrivateEndpoint === true && { allowPrivateEndpoint: true }),
    })
  }

  /** A broker may have moved: the name of a tunnel that does not answer is looked up again. What is found wrong changes nothing. */
  async function lookUpAgain(): Promise<void> {
    const now = clock.now()
    for (const tunnel of tunnels) {
      const state = stateOf(tunnel, now)
      if (state !== 'silent' && state !== 'unproven') continue
      if (now - tunnel.lookedUpAt < lookUpAgainSeconds && now >= tunnel.lookedUpAt) continue
      const endpoint = await endpointOf(tunnel.grant.endpoint, {
        lookUp: (name) => host.lookUp(name),
        ...(options.allowPrivateEndpoint === true && { allowPrivateEndpoint: true }),
      }).catch(() => tunnel.endpoint)
      await patch(tunnel.grant, { endpoint, lookedUpAt: now })
    }
  }

  /** Only what is named changes: probes go on meanwhile. */
  async function patch({ broker }: Grant, fields: Partial<Tunnel>): Promise<void> {
    await keep(tunnels.map((t) => (t.grant.broker.id === broker.id ? { ...t, ...fields } : t)))
  }

  async function choose(): Promise<void> {
    const now = clock.now()
    const working = tunnels.filter((t) => t.leavingSince === undefined)
    // one that fell silent keeps its lease and comes back by itself; another is taken beside it
    const idle = working.filter((t) => {
      const state = stateOf(t, now)
      return state === 'silent' || (state === 'unproven' && now - t.addedAt > provenWithinSeconds)
    })
    const missing = working.length - idle.length < policy.count
    if (!missing && chosenAt !== undefined && now - chosenAt < chooseEverySeconds) return
    let offers: readonly BrokerOffer[]
    try {
      offers = await service.offers()
      troubles.delete('broker-unreachable registry')
    } catch (error) {
      trouble('broker-unreachable', 'registry', error)
      return
    }
    chosenAt = now
    const inUse = working.map((t) => t.grant.broker.id)
    const paused = (id: string): boolean => now - (refusedAt.get(id) ?? -Infinity) < refusedPauseSeconds
    const idleIds = idle.map((t) => t.grant.broker.id)
    const open = offers.filter(({ name }) => !idleIds.includes(name.id) && (inUse.includes(name.id) || !paused(name.id)))
    const { chosen } = chooseBrokers(open, policy, inUse)
    for (const offer of chosen.filter(({ name }) => !inUse.includes(name.id))) await ask(offer)
    const unproven = idle.filter((t) => t.lastAnswerAt === undefined).map((t) => t.grant.broker.id)
    for (const id of unproven) refusedAt.set(id, now)
    await leave([...chosen.map((offer) => offer.name.id), ...idleIds.filter((id) => !unproven.includes(id))])
  }

  async function ask(offer: BrokerOffer): Promise<void> {
    try {
      const publicKey = await host.publicKey(offer.name.id)
      const grant = await service.request(offer, { publicKey, prefixLength: options.prefixLength ?? 64 })
      const endpoint = await check(grant)
      const added = { grant, endpoint, lookedUpAt: clock.now(), addedAt: clock.now() }
      await keep([...tunnels.filter((t) => t.grant.broker.id !== offer.name.id), added])
      refusedAt.delete(offer.name.id)
      troubles.delete(`broker-refused ${offer.name.id}`)
    } catch (error) {
      refusedAt.set(offer.name.id, clock.now())
      trouble('broker-refused', offer.name.id, error)
    }
  }

  /** Brokers that are no longer wanted are left only while enough others are proven: never down before the next is up. */
  async function leave(wanted: readonly string[]): Promise<void> {
    const now = clock.now()
    const upWanted = tunnels.filter((t) => wanted.includes(t.grant.broker.id) && stateOf(t, now) === 'up').length
    if (upWanted < policy.count) return
    const left = tunnels.filter((t) => t.leavingSince === undefined && !wanted.includes(t.grant.broker.id))
    if (left.length > 0) await keep(tunnels.map((t) => (left.includes(t) ? { ...t, leavingSince: now } : t)))
  }

  async function retire(): Promise<void> {
    const over = tunnels.filter((t) => stateOf(t, clock.now()) === 'over')
    if (over.length === 0) return
    // first nobody uses it here, then it is given back
    await apply()
    await keep(tunnels.filter((t) => !over.includes(t)))
    for (const { grant, leavingSince } of over) {
      if (leavingSince !== undefined) await service.release(grant).catch((error: unknown) => log('release', error))
    }
  }

  function judge(): void {
    const now = clock.now()
    for (const key of troubles.keys()) if (/^(?:tunnel-down|broker-silent) /.test(key)) troubles.delete(key)
    const states = tunnels.map((t) => ({ t, state: stateOf(t, now) }))
    for (const { t } of states.filter((s) => s.state === 'silent')) {
      const detail = `${t.grant.broker.id} has not answered for ${now - (t.lastAnswerAt ?? now)} seconds.`
      troubles.set(`broker-silent ${t.grant.broker.id}`, { kind: 'broker-silent', subject: t.grant.broker.id, detail })
    }
    if (states.some(({ state }) => state === 'up' || state === 'leaving')) return
    const detail =
      unset !== undefined && tunnels.length > 0
        ? `The tunnels could not be set: ${unset}`
        : tunnels.length === 0
          ? 'No broker has granted a prefix.'
          : `None of ${tunnels.length} tunnels carries an answer.`
    troubles.set('tunnel-down host', { kind: 'tunnel-down', subject: 'host', detail })
  }

  /** What the failover promise rests on: it waits for no broker's word. */
  async function look(): Promise<void> {
    await probeAll()
    await lookUpAgain()
    try {
      await apply()
      unset = undefined
    } catch (error) {
      unset = error instanceof AppError ? error.detail : 'The root helper did not take the tunnels.'
      log('the tunnels could not be set; tried again', error)
    }
    await store.save(tunnels)
    judge()
  }

  /** May take until the giving depth of the chain. */
  async function talk(): Promise<void> {
    await renewAll()
    await choose()
    await retire()
    await apply()
    judge()
  }

  async function round(): Promise<void> {
    await look()
    await talk()
  }

  return {
    async restore() {
      tunnels = [...(await store.load())]
      await apply()
    },
    round,
    async run(signal) {
      let talking: Promise<void> | undefined
      const failed = (error: unknown): void => log('a round of the broker client failed', error)
      while (!signal.aborted) {
        const began = clock.monotonicMs()
        // whatever a round met, the next one begins from what stands
        await look().catch(failed)
        talking ??= talk()
          .catch(failed)
          .finally(() => (talking = undefined))
        const fresh = tunnels.some((t) => t.lastAnswerAt === undefined && clock.now() - t.addedAt < provenWithinSeconds)
        const idle = tunnels.length === 0 && talking !== undefined
        await clock.wait(fresh || idle ? 200 : Math.max(0, probeSeconds * 1000 - (clock.monotonicMs() - began)), signal)
      }
      await talking
    },
    setPolicy(next) {
      policy = next
      chosenAt = undefined
      refusedAt.clear()
    },
    tunnels: () => tunnels.map((tunnel) => ({ tunnel, state: stateOf(tunnel, clock.now()) })),
    troubles: () => [...troubles.values()],
  }
}
