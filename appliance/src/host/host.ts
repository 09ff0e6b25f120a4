import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { overlap } from 'wireguard-ts/address'
import type { Clock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import { run, runOrFail } from '../hypervisor/libvirt/run.ts'
import { autonomousOf, tapNameOf } from '../network/guest-addresses.ts'
import { nftables, noNftables } from '../network/nftables.ts'
import { deviceOf, ownAddresses, ownNetworks, removeLinks, setLinks } from './links.ts'
import { Lock } from './lock.ts'
import { checkOwn, checkTaps, keepEpochs, networkOf } from './plan.ts'
import { ruleCounts } from './rule-counts.ts'
import { emptyState, readState, writeState, type HostState, type Trial } from './state-file.ts'
import { checkAnnouncements, checkTunnels, createHostTunnels } from './tunnels.ts'
import { createUnits, type UnitOptions } from './units.ts'
import { setWasmFile } from './wasm-file.ts'
import { keepUplink, restoreUplink, useUplink } from './uplink.ts'
import type { Answers, Argument, Verb } from './verbs.ts'

export interface HostOptions {
  /** Root's own: what is kept. */
  stateFolder: string
  /** Who may open the taps. */
  tapOwner: number
  clock: Clock
  units?: UnitOptions
  /** What radvd reads. Default: that of its unit. */
  announceFile?: string
  /** What freehold-wasmd reads. Default: that of its unit. */
  wasmFile?: string
  log(line: string, cause?: unknown): void
}

/** The verbs on this machine. */
export interface Host {
  /** Makes the kernel as the kept set says; before anything else. A set that cannot be read closes everything. */
  restore(): Promise<void>
  verbs: { [V in Verb]: (argument: Argument<V>) => Promise<Answers[V]> }
  /** Repairs what somebody else undid, and follows the host's own networks. */
  refresh(): Promise<void>
  /** Takes away all that is ours, in the kernel and on disk. */
  cleanUp(): Promise<void>
  stop(): Promise<void>
}

/**
 * The root helper's work. The kept set is written first and the kernel follows: killed in between, the next start ends in the
 * same world. Two locks, so that a long change of links never holds up a cut.
 */
export function createHost(options: HostOptions): Host {
  const { clock, log } = options
  const stateFile = join(options.stateFolder, 'state.json')
  const units = createUnits(options.units)
  const [rules, links, uplinks, tunnelling] = [new Lock(), new Lock(), new Lock(), new Lock()]
  const tunnels = createHostTunnels({
    stateFolder: options.stateFolder,
    announceFile: options.announceFile ?? '/run/freehold-radvd/radvd.conf',
    announcerChanged: () => units.announcerChanged(),
  })
  let state = emptyState(clock.now())
  let lastRules = ''
  /** The same as the kernel shows it: whoever takes out one rule is found out too. */
  let lastStanding = ''
  let timer = new AbortController()

  const nextEpoch = (draft: HostState): number => {
    draft.epoch = Math.max(draft.epoch + 1, clock.now()) >>> 0
    return draft.epoch
  }

  /** Changes the kept state and then the rules, as one. */
  async function change(edit: (draft: HostState) => Promise<void> | void): Promise<void> {
    await rules.run(async () => {
      const draft = structuredClone(state)
      await edit(draft)
      await writeState(stateFile, draft)
      state = draft
      await setRules()
    })
  }

  async function setRules(): Promise<void> {
    const own = await ownNetworks()
    const { net, taps, open } = state
    const text = nftables({
      gateway: net?.ipv4.gateway ?? '10.77.0.1',
      ipv4Net: networkOf(net ?? { ipv4: { gateway: '10.77.0.1', prefixLength: 16 } }),
      guests: taps.map((tap) => ({
        tap: tapNameOf(tap),
        ...tap,
        more6: state.tunnels.flatMap(({ prefix }) => autonomousOf(prefix, tap.mac) ?? []),
      })),
      announced: state.announcements.length > 0,
      open4: open.flatMap((range) => ('ipv4' in range ? [`${range.ipv4}/${range.prefixLength}`] : [])),
      open6: open.flatMap((range) => ('ipv6' in range ? [`${range.ipv6}/${range.prefixLength}`] : [])),
      ...own,
    })
    if (text === lastRules && (await standingRules()) === lastStanding) return
    const wanted = ruleCounts(text)
    for (let tries = 1; ; tries += 1) {
      await runOrFail('set the firewall', 'nft', ['-f', '-'], { input: text })
      const standing = await standingRules()
      // what was undone before it was read would be taken for whole ever after
      if (isDeepStrictEqual(ruleCounts(standing), wanted)) {
        lastStanding = standing
        lastRules = text
        return
      }
      lastRules = ''
      if (tries === 5) throw new AppError({ code: 'host-refused', detail: 'Rules are taken out as fast as they are set.' })
    }
  }

  async function standingRules(): Promise<string> {
    const tables = ['bridge', 'inet'].map((family) => run('nft', ['-s', 'list', 'table', family, 'freehold']))
    return (await Promise.all(tables)).map(({ stdout }) => stdout).join('')
  }

  async function setPresentLinks(): Promise<void> {
    await links.run(async () => {
      const { net, taps } = state
      if (net !== null) await setLinks(net, taps, options.tapOwner)
    })
  }

  async function setTaps(argument: Argument<'setTaps'>): Promise<Answers['setTaps']> {
    checkTaps(argument)
    const { net, taps } = argument
    checkOwn(argument, { ...(await ownNetworks()), ...(await ownAddresses()) })
    // who may send what stands before there is a link to send on
    await change((draft) => {
      draft.taps = keepEpochs(taps, state.taps, () => nextEpoch(draft))
      draft.net = net
    })
    await setPresentLinks()
    return { taps: taps.map((tap) => tapNameOf(tap)) }
  }

  async function cutConnections(vm: Argument<'cutConnections'>): Promise<Record<string, never>> {
    await change((draft) => {
      const tap = draft.taps.find((t) => tapNameOf(t) === tapNameOf(vm))
      if (tap !== undefined) tap.epoch = nextEpoch(draft)
    })
    return {}
  }

  async function tryNetwork({ uplink, seconds }: Argument<'tryNetwork'>): Promise<Answers['tryNetwork']> {
    return await uplinks.run(async () => {
      if (state.trial !== null) {
        throw new AppError({ code: 'host-refused', detail: 'Another change of the network is being tried.' })
      }
      const former = await deviceOf(uplink.mac)
      if (former === undefined) throw new AppError({ code: 'host-refused', detail: `No network card has MAC ${uplink.mac}.` })
      const trial = { id: randomUUID(), until: clock.now() + seconds, boot: await bootId(), uplink, former }
      await change((draft) => void (draft.trial = trial))
      try {
        await useUplink(uplink, former)
      } catch (error) {
        await endTrial(trial)
        throw error
      }
      watch(trial)
      return { trial: trial.id, until: trial.until }
    })
  }

  async function confirmNetwork({ trial: id }: Argument<'confirmNetwork'>): Promise<Record<string, never>> {
    return await uplinks.run(async () => {
      const { trial } = state
      if (trial === null || trial.id !== id || clock.now() >= trial.until) {
        throw new AppError({ code: 'host-refused', detail: 'This change of the network is over; it was taken back.' })
      }
      await keepUplink(trial.uplink)
      await change((draft) => void (draft.trial = null))
      timer.abort()
      return {}
    })
  }

  /** Sources that guests may use first, then the way there; and in the same order when a prefix goes. */
  async function setTunnels({ tunnels: wanted }: Argument<'setTunnels'>): Promise<Record<string, never>> {
    return await tunnelling.run(async () => {
      const { own4, own6 } = await ownNetworks()
      const guests = state.net?.ipv6 ?? null
      // the host's own addresses in tunnels are /128s of the very prefixes
      const others = own6.filter((range) => !range.endsWith('/128'))
      checkTunnels(wanted, [...own4, ...others, ...(guests === null ? [] : [`${guests.prefix}/${guests.prefixLength}`])])
      await change((draft) => {
        draft.tunnels = wanted
        draft.announcements = draft.announcements.filter(({ prefix }) => wanted.some((one) => overlap(one.prefix, prefix)))
      })
      await tunnels.announce(state.announcements)
      await tunnels.set(wanted)
      return {}
    })
  }

  async function announce({ announcements }: Argument<'announce'>): Promise<Record<string, never>> {
    return await tunnelling.run(async () => {
      checkAnnouncements(announcements, state.tunnels)
      await change((draft) => void (draft.announcements = announcements))
      await tunnels.announce(announcements)
      return {}
    })
  }

  /** Neither keeps guests of a host without tunnels from starting. */
  async function setPresentTunnels(): Promise<void> {
    await tunnelling
      .run(async () => {
        if (state.tunnels.length === 0 && state.announcements.length === 0) return
        await tunnels.set(state.tunnels)
        await tunnels.announce(state.announcements)
      })
      .catch((error: unknown) => log('the tunnels could not be set; tried again', error))
  }

  /** Takes a trial back. The file forgets it last: killed before, the next start takes it back again. */
  async function endTrial(trial: Trial): Promise<void> {
    await restoreUplink(trial.former)
    await change((draft) => void (draft.trial = null))
  }

  function watch(trial: Trial): void {
    timer.abort()
    const mine = (timer = new AbortController())
    // a wall clock that jumps back must not lengthen it
    const milliseconds = Math.min(600, Math.max(0, trial.until - clock.now())) * 1000
    void clock.wait(milliseconds, mine.signal).then(async () => {
      if (mine.signal.aborted) return
      await uplinks
        .run(async () => (state.trial?.id === trial.id ? await endTrial(trial) : undefined))
        .catch((error: unknown) => {
          log('the network could not be taken back; tried again', error)
          void clock.wait(5000, mine.signal).then(() => (mine.signal.aborted ? undefined : watch(trial)))
        })
    })
  }

  async function restore(): Promise<void> {
    try {
      state = (await readState(stateFile)) ?? state
    } catch (error) {
      log('the kept set cannot be read: all guests are cut off until the daemon sets it again', error)
    }
    await rules.run(setRules)
    await setPresentLinks()
    await setPresentTunnels()
    const { trial } = state
    if (trial === null) return
    if (trial.boot !== (await bootId())) await change((draft) => void (draft.trial = null))
    else watch(trial)
  }

  return {
    restore,
    async refresh() {
      await rules.run(setRules)
      await setPresentLinks()
      await setPresentTunnels()
    },
    async cleanUp() {
      timer.abort()
      state = { ...emptyState(clock.now()), epoch: state.epoch }
      await rules.run(async () => {
        await writeState(stateFile, state)
        await tunnels.cleanUp()
        await links.run(removeLinks)
        await runOrFail('remove the firewall', 'nft', ['-f', '-'], { input: noNftables })
        lastRules = ''
      })
    },
    async stop() {
      timer.abort()
      await tunnels.stop()
    },
    verbs: {
      setTaps,
      async setFirewall({ open }) {
        await change((draft) => void (draft.open = open))
        return {}
      },
      tryNetwork,
      confirmNetwork,
      cutConnections,
      tunnelKey: (argument) => tunnels.tunnelKey(argument),
      setTunnels,
      announce,
      restartUnit: async ({ unit }) => (await units.restart(unit), {}),
      setWasm: async ({ enabled }) => {
        await setWasmFile(options.wasmFile ?? '/etc/freehold/wasm.yaml', enabled)
        await units.wasm(enabled)
        return {}
      },
      startUpdate: async () => (await units.update(), {}),
      factoryReset: async ({ machine }) => (await units.factoryReset(machine), {}),
    },
  }
}

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
}
