import { type Cidr, type InterfaceAddress } from 'wireguard-ts/address'
import type { InterfaceConfig } from 'wireguard-ts/config'
import type { WireGuardDevice } from 'wireguard-ts/device'
import { WireGuardError } from 'wireguard-ts/errors'
import { WireGuardInterface, type InterfaceChange } from 'wireguard-ts/interface'
import { run, type RunOptions } from 'wireguard-ts/run'
import { AppError } from '../../errors/app-error.ts'
import type { Change, DataPath, DataPathSettings, Lease, LeaseCounters, LeaseId } from '../types.ts'
import { changeTexts } from './change-texts.ts'
import { checkLeases, checkSettings } from './check-leases.ts'
import { applyMachine, deviceOf, kernelSettings, makeInterface, neighbourChanges, poolRoute } from './machine.ts'
import { applyTable, elementLines, joined, markerOf, readTable, type ElementLine } from './nft-table.ts'
import { baseRules, elementsOf, tableName } from './rules.ts'

export interface LinuxDataPathOptions extends DataPathSettings {
  /** Network namespace to work in; for stands. */
  namespace?: string
  /** Where a peer was last seen, from the broker's store: a restored broker speaks first, instead of waiting for the host. */
  lastSeen?(lease: LeaseId): LeaseCounters['endpoint']
}

/**
 * The data path on a Linux machine: one nftables table, one WireGuard interface, routes with our protocol number. All of it stays when
 * this process ends; a restart compares and repairs, never wipes. Throws `broker-data-path-failed` for settings that cannot work.
 */
export function createLinuxDataPath(options: LinuxDataPathOptions): DataPath {
  checkSettings(options)
  const where: RunOptions = options.namespace === undefined ? {} : { namespace: options.namespace }
  const base = baseRules(options)
  const { interfaceName, uplink, mode } = options
  let device: (WireGuardDevice & { close?(): void }) | undefined
  let queue: Promise<unknown> = Promise.resolve()
  /** Bytes of an earlier life of the table, so that totals only grow. */
  const carried = new Map<LeaseId, { out: bigint; in: bigint; lastOut: bigint; lastIn: bigint }>()

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = queue.then(work).catch((error: unknown) => {
      throw wrap(error)
    })
    queue = done.catch(() => undefined)
    return done
  }

  const configOf = (leases: readonly Lease[]): InterfaceConfig => ({
    privateKey: options.privateKey,
    listenPort: options.listenPort,
    addresses: [ownHostAddress(options.ownAddress)],
    mtu: options.mtu,
    peers: leases.map(({ id, peerKey, presharedKey, prefix }) => {
      const endpoint = fresh ? options.lastSeen?.(id) : undefined
      return {
        publicKey: peerKey,
        allowedIps: [prefix],
        ...(presharedKey !== undefined && { presharedKey }),
        ...(endpoint !== undefined && { endpoint }),
      }
    }),
  })
  // only an interface that was just made is told where the peers were: a live one knows better
  let fresh = false

  async function firewall(leases: readonly Lease[]): Promise<{ base: boolean; lines: ElementLine[] }> {
    const table = await readTable(where)
    const marker = table === undefined ? '' : markerOf(base, table.listing)
    return {
      base: table === undefined || table.foreignChains.length > 0 || table.markers.join() !== marker,
      lines: elementLines(elementsOf(leases), table),
    }
  }

  /** Sets what differs; says whether the base did, and how many lines. */
  async function setFirewall(leases: readonly Lease[]): Promise<{ base: boolean; lines: number }> {
    const change = await firewall(leases)
    if (!change.base && change.lines.length === 0) return { base: false, lines: 0 }
    // chains and limits first, by themselves without effect: nft 1.0.6 does not find a chain made in the same transaction
    const cut = change.lines.findIndex((line) => line.text.includes(' element '))
    const prepared = cut === -1 ? change.lines.length : cut
    await applyTable([...(change.base ? [base] : []), ...joined(change.lines.slice(0, prepared))], where)
    await applyTable([...(change.base ? await marking() : []), ...joined(change.lines.slice(prepared))], where)
    return { base: change.base, lines: change.lines.length }
  }

  /** What the kernel says of our rules is remembered in the table itself, so that the next process can tell whether they stand. */
  async function marking(): Promise<string[]> {
    const table = await readTable(where, 'rules')
    return [
      ...(table?.markers ?? []).map((name) => `delete set inet ${tableName} ${name}`),
      `add set inet ${tableName} ${markerOf(base, table?.listing ?? '')} { type mark; }`,
    ]
  }

  async function compare(leases: readonly Lease[]): Promise<Change[]> {
    checkLeases(options, leases)
    const rules = await firewall(leases)
    const found = await deviceOf(interfaceName, where)
    try {
      const link = found === undefined ? undefined : await face(found).plan(configOf(leases))
      return changeTexts({
        settings: options,
        leases,
        base: rules.base ? base : undefined,
        lines: rules.lines,
        machine: [
          ...(await poolRoute(options.pool, where)),
          ...(mode === 'on-link' ? await neighbourChanges(uplink, prefixesOf(leases), where) : []),
          ...(await kernelSettings(options, where)),
        ],
        link,
        config: configOf(leases),
      })
    } finally {
      if (found !== device) found?.close?.()
    }
  }

  const face = (of: WireGuardDevice): WireGuardInterface => new WireGuardInterface({ name: interfaceName, device: of, ...where })

  /** Sets the interface. The device of the last time is tried first: to look for it anew are three programs more before the answer. */
  async function setInterface(leases: readonly Lease[]): Promise<InterfaceChange> {
    if (device !== undefined) {
      fresh = false
      try {
        return await face(device).set(configOf(leases))
      } catch (error) {
        if (!(error instanceof WireGuardError) || error.code !== 'interface-missing') throw error
      }
    }
    const found = await connected()
    return await face(found).set(configOf(leases))
  }

  async function connected(): Promise<WireGuardDevice> {
    device?.close?.()
    fresh = false
    device = await deviceOf(interfaceName, where)
    if (device === undefined) {
      await makeInterface(interfaceName, where)
      device = await deviceOf(interfaceName, where)
      fresh = true
    }
    if (device === undefined) throw new Error(`${interfaceName} did not come up`)
    return device
  }

  /** Hosts of a broker that came back would notice by themselves after 15 s: it greets those whose place it knows. */
  async function speakFirst(leases: readonly Lease[]): Promise<void> {
    if (!fresh || device === undefined) return
    const known = leases.filter(({ id }) => options.lastSeen?.(id) !== undefined)
    const keepalive = (seconds: number) =>
      device?.apply({
        peers: known.map(({ peerKey }) => ({ kind: 'update', publicKey: peerKey, persistentKeepaliveSeconds: seconds })),
      })
    if (known.length === 0) return
    // turning it on sends one packet now; it is the host that keeps the way through its line open
    await keepalive(25)
    await keepalive(0)
  }

  return {
    apply: (leases) =>
      inTurn(async () => {
        checkLeases(options, leases)
        // rules and the last-resort route stand before any packet can come
        const [rules, route, settings] = await Promise.all([
          setFirewall(leases),
          poolRoute(options.pool, where),
          kernelSettings(options, where),
        ])
        await applyMachine(route, where)
        const link: InterfaceChange = await setInterface(leases)
        const neighbours = mode === 'on-link' ? await neighbourChanges(uplink, prefixesOf(leases), where) : []
        const machine = [...neighbours, ...settings]
        await applyMachine(machine, where)
        await speakFirst(leases)
        const { device: made, links } = link
        return Number(rules.base) + rules.lines + route.length + machine.length + made.peers.length + links.length
      }),
    plan: (leases) => inTurn(() => compare(leases)),
    counters: (leases) =>
      inTurn(async () => {
        const [table, state] = await Promise.all([readTable(where), device?.read()])
        const peers = new Map(state?.peers.map((peer) => [peer.publicKey, peer]))
        return leases.map(({ id, prefix, peerKey }) => {
          const peer = peers.get(peerKey)
          const [bytesOut, bytesIn] = total(id, table?.bytes.out.get(prefix) ?? 0n, table?.bytes.in.get(prefix) ?? 0n)
          return {
            lease: id,
            bytesOut,
            bytesIn,
            ...(peer !== undefined && peer.lastHandshakeSeconds > 0 && { lastHandshakeAt: peer.lastHandshakeSeconds }),
            ...(peer !== undefined && peer.endpoint !== null && { endpoint: peer.endpoint }),
          }
        })
      }),
    async probe(address) {
      const { code, stdout } = await run('ping', ['-6', '-n', '-c', '1', '-W', '2', '-I', interfaceName, address], where)
      const ms = /time=([\d.]+) ms/.exec(stdout)?.[1]
      return code === 0 && ms !== undefined ? Number(ms) : undefined
    },
    close: async () => {
      await queue
      device?.close?.()
      device = undefined
    },
  }

  function total(id: LeaseId, out: bigint, inward: bigint): [bigint, bigint] {
    const kept = carried.get(id) ?? { out: 0n, in: 0n, lastOut: 0n, lastIn: 0n }
    if (out < kept.lastOut) kept.out += kept.lastOut
    if (inward < kept.lastIn) kept.in += kept.lastIn
    Object.assign(kept, { lastOut: out, lastIn: inward })
    carried.set(id, kept)
    return [kept.out + out, kept.in + inward]
  }
}

/** The broker itself holds one address, not the network around it: the rest of the pool is the leases'. */
function ownHostAddress(own: InterfaceAddress): InterfaceAddress {
  return `${own.slice(0, own.indexOf('/'))}/128` as InterfaceAddress
}

function prefixesOf(leases: readonly Lease[]): Cidr[] {
  return leases.map((lease) => lease.prefix)
}

function wrap(error: unknown): unknown {
  if (error instanceof AppError) return error
  const detail = error instanceof Error ? error.message : 'The machine refused a change.'
  return new AppError({ code: 'broker-data-path-failed', detail: `${detail.slice(0, 300)}.`, cause: error })
}
