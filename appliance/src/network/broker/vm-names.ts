import { z } from 'zod'
import type { VmId } from '../../chain/installation.ts'
import type { UnixSeconds } from '../../clock/clock.ts'
import { AppError, findAppError } from '../../errors/app-error.ts'
import { autonomousOf } from '../guest-addresses.ts'
import { ownAddress } from '../ip.ts'
import type { Grant } from './grant.ts'
import type { BrokerService } from './ports.ts'
import type { Tunnel, TunnelState } from './tunnel-state.ts'

/** A VM as names see it. */
export interface NamedVm {
  vmId: VmId
  mac: string
}

/** One public address of a VM. */
export interface PublicAddress {
  address: string
  /** Whole name in the broker's zone; null: none is served yet. */
  name: string | null
  /** The one that connections begin with. */
  preferred: boolean
}

/** Proofs for certificates of this host's own names, laid down in the zone of a broker (RFC 8555 §8.4). */
export interface NameProofs {
  /** Why no proof for a name can be laid down now, in words for people; undefined: it can. */
  missing(name: string): string | undefined
  /** Resolves when the proof is served. Throws `broker-name-refused`, `not-supported`. */
  lay(name: string, value: string): Promise<void>
}

const labelsSchema = z.record(z.string(), z.string())
/** Of each broker: label → address as it was published. */
const publishedSchema = z.record(z.string(), z.record(z.string(), z.string()))

export interface VmNamesOptions {
  service: Pick<BrokerService, 'name' | 'prove'>
  tunnels(): readonly { tunnel: Tunnel; state: TunnelState }[]
  /** VMs there are; undefined: not known now. */
  vms(): readonly NamedVm[] | undefined
  /** Whole names of the host itself. The broker in whose zone one lies leads it to this host's own address. */
  own?: readonly string[]
  settings: {
    get<S extends z.ZodType>(key: string, schema: S): Promise<z.output<S> | undefined>
    put(key: string, value: unknown): Promise<void>
  }
  now(): UnixSeconds
  log(line: string, cause?: unknown): void
}

/**
 * Names of VMs at every broker, by level: what is to be against what was published, the difference told. A VM is named by its id
 * until its holder chooses a label; what cannot be told now is told at a later pass.
 */
export function createVmNames(options: VmNamesOptions) {
  const { service, settings, log } = options
  let turn: Promise<unknown> = Promise.resolve()
  let labels: Record<string, string> = {}
  let published: Record<string, Record<string, string>> = {}
  let loaded = false

  async function load(): Promise<void> {
    if (loaded) return
    labels = (await settings.get('broker vm labels', labelsSchema)) ?? {}
    published = (await settings.get('broker vm names', publishedSchema)) ?? {}
    loaded = true
  }

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = turn.then(work)
    turn = next.catch(() => undefined)
    return next
  }

  async function note(brokerId: string, label: string, address: string | undefined): Promise<void> {
    const names = { ...published[brokerId] }
    if (address === undefined) delete names[label]
    else names[label] = address
    published = { ...published, [brokerId]: names }
    await settings.put('broker vm names', published)
  }

  /** Brokers with a zone whose tunnel carries, or carried a moment ago. */
  const serving = () => options.tunnels().filter(({ tunnel, state }) => tunnel.grant.zone !== '' && state !== 'over')

  /** Label of one of the host's own names in a zone; undefined where it lies elsewhere. */
  const ownLabel = (name: string, zone: string): string | undefined => {
    const label = name.toLowerCase().endsWith(`.${zone}`) ? name.toLowerCase().slice(0, -zone.length - 1) : ''
    return label === '' || label.includes('.') ? undefined : label
  }

  async function pass(): Promise<void> {
    await load()
    const vms = options.vms()
    for (const { tunnel, state } of serving()) {
      if (state === 'unproven') continue
      const { grant } = tunnel
      const wanted = new Map(vms?.map((vm) => [labelOf(vm.vmId), autonomousOf(grant.prefix, vm.mac)]))
      // the host's own come last: they are the operator's, whatever a holder chose before
      for (const name of options.own ?? []) {
        const label = ownLabel(name, grant.zone)
        if (label !== undefined) wanted.set(label, ownAddress(grant.prefix))
      }
      const present = published[grant.broker.id] ?? {}
      const changes: [string, string | undefined][] = [
        // a list that is not known takes nobody's name away
        ...Object.keys(vms === undefined ? {} : present)
          .filter((label) => wanted.get(label) === undefined)
          .map((label): [string, undefined] => [label, undefined]),
        ...[...wanted].filter(([label, address]) => address !== undefined && present[label] !== address),
      ]
      for (const [label, address] of changes) {
        try {
          await service.name(grant, label, address)
          await note(grant.broker.id, label, address)
        } catch (error) {
          const gone = address === undefined && findAppError(error, 'broker-name-refused') !== undefined
          // taken back by the broker itself: that is what was wanted
          if (gone) await note(grant.broker.id, label, undefined)
          else log(`${grant.broker.id} does not serve the name ${label} yet`, error)
          // a broker that is down or busy is asked again at the next pass, not a thousand times now
          if (findAppError(error, 'broker-name-refused') === undefined) break
        }
      }
    }
  }

  /** The grant in whose zone one of the host's own names lies, with its label there. */
  function zoneOf(name: string): { grant: Grant; label: string } | undefined {
    for (const { tunnel, state } of serving()) {
      const label = options.own?.includes(name) === true ? ownLabel(name, tunnel.grant.zone) : undefined
      if (label !== undefined && (state === 'up' || state === 'leaving')) return { grant: tunnel.grant, label }
    }
    return undefined
  }

  function missing(name: string): string | undefined {
    const at = zoneOf(name)
    if (at === undefined) return `No broker that answers serves the zone of ${name}.`
    const served = published[at.grant.broker.id]?.[at.label] === ownAddress(at.grant.prefix)
    return served ? undefined : `The broker ${at.grant.broker.id} does not serve ${name} for this host.`
  }

  const labelOf = (vmId: VmId): string => labels[vmId] ?? defaultLabel(vmId)

  return {
    pass: () => inTurn(pass),
    missing,
    lay: (name: string, value: string) =>
      inTurn(async () => {
        const [at, why] = [zoneOf(name), missing(name)]
        if (at === undefined || why !== undefined) {
          throw new AppError({ code: 'not-supported', detail: why ?? '', hint: 'It is tried again by itself.' })
        }
        await service.prove(at.grant, at.label, value)
      }),
    /** What is reached from the Internet, the preferred one first. */
    addressesOf({ vmId, mac }: NamedVm, preferred: string | undefined): PublicAddress[] {
      return options
        .tunnels()
        .filter(({ state }) => state !== 'unproven' && state !== 'over')
        .flatMap(({ tunnel: { grant } }): PublicAddress[] => {
          const address = autonomousOf(grant.prefix, mac)
          if (address === undefined) return []
          const label = labelOf(vmId)
          const served = published[grant.broker.id]?.[label] === address
          return [{ address, name: served ? `${label}.${grant.zone}` : null, preferred: grant.prefix === preferred }]
        })
        .toSorted((a, b) => Number(b.preferred) - Number(a.preferred))
    },
    /** The holder's choice: refused by a broker, it is not kept. Throws `broker-name-refused`, `not-supported`. */
    choose: (vm: NamedVm, typed: string) =>
      inTurn(async () => {
        await load()
        const label = typed.toLowerCase()
        const taken = Object.entries(labels).some(([other, text]) => text === label && other !== vm.vmId)
        if (serving().some(({ tunnel }) => options.own?.some((name) => ownLabel(name, tunnel.grant.zone) === label))) {
          throw new AppError({ code: 'broker-name-refused', detail: `${label} is the name of this host itself` })
        }
        if (taken || (isDefaultLabel(label) && label !== defaultLabel(vm.vmId))) {
          throw new AppError({ code: 'broker-name-refused', detail: `${label} is the name of another VM of this host` })
        }
        const up = serving().filter(({ state }) => state === 'up' || state === 'leaving')
        if (up.length === 0) {
          throw new AppError({
            code: 'not-supported',
            detail: 'No broker serves names for this host now.',
            hint: 'Try again later.',
          })
        }
        for (const { tunnel } of up) {
          const address = autonomousOf(tunnel.grant.prefix, vm.mac)
          await service.name(tunnel.grant, label, address)
          await note(tunnel.grant.broker.id, label, address)
        }
        labels = { ...labels, [vm.vmId]: label }
        await settings.put('broker vm labels', labels)
      }),
  }
}

/** Nobody chooses these: the id of a VM as a label. */
function defaultLabel(vmId: string): string {
  return `vm-${vmId}`
}

function isDefaultLabel(label: string): boolean {
  return /^vm-[0-9a-f]{12}-\d+$/.test(label)
}
