import { checkDevice, defaultMtu, parseInterfaceName, routesOf, type CheckOptions, type InterfaceConfig } from './config.ts'
import type { WireGuardDevice } from './device.ts'
import { diffDevice, isEmpty } from './diff.ts'
import { WireGuardError } from './errors.ts'
import { linkBatch, readLink, runBatch } from './links.ts'
import type { RunOptions } from './run.ts'
import type { DeviceChange } from './uapi-codec.ts'

const partSize = 256

/** What `set` would do or has done. Empty lists: nothing differed. */
export interface InterfaceChange {
  device: DeviceChange
  /** Lines for `ip -batch`. */
  links: readonly string[]
}

export interface InterfaceOptions extends CheckOptions {
  name: string
  device: WireGuardDevice
  /** Network namespace of the interface. */
  namespace?: string
}

/**
 * One interface, declared: `set` takes the whole truth, reads what stands, changes only what differs and reads back. Calling it
 * again with the same value does nothing; a peer that stays keeps its session. The interface itself must exist.
 */
export class WireGuardInterface {
  readonly name: string
  readonly #device: WireGuardDevice
  readonly #where: RunOptions
  readonly #check: CheckOptions
  #queue: Promise<unknown> = Promise.resolve()

  constructor({ name, device, namespace, ...check }: InterfaceOptions) {
    this.name = parseInterfaceName(name)
    this.#device = device
    this.#where = namespace === undefined ? {} : { namespace }
    this.#check = check
  }

  /** What `set` would change, without changing anything. Throws `bad-config`, `interface-missing`. */
  async plan(config: InterfaceConfig): Promise<InterfaceChange> {
    checkDevice(config, this.#check)
    const [link, actual] = await Promise.allSettled([readLink(this.name, this.#where), this.#device.read()])
    if (link.status === 'rejected') throw link.reason
    if (link.value === undefined) {
      throw new WireGuardError('interface-missing', `there is no interface ${this.name}`, 'Start its daemon or make it first.')
    }
    if (actual.status === 'rejected') throw actual.reason
    const wanted = { mtu: config.mtu ?? defaultMtu, addresses: config.addresses, routes: routesOf(config) }
    return { device: diffDevice(config, actual.value), links: linkBatch(this.name, wanted, link.value) }
  }

  /**
   * Makes the interface what `config` says and answers what had to change. Two calls at once run one after the other. Throws
   * `bad-config` before anything is touched; `interface-refused` if something still differs afterwards.
   */
  set(config: InterfaceConfig): Promise<InterfaceChange> {
    const done = this.#queue.then(() => this.#set(config))
    this.#queue = done.catch(() => {})
    return done
  }

  /** Some hundred peers at a time: the text of thousands would be megabytes, here and in the daemon. */
  async #applyInParts({ peers, ...device }: DeviceChange): Promise<void> {
    // removals first over all parts: an allowed network must have left its former peer before another gets it
    const ordered = peers.toSorted((a, b) => Number(b.kind === 'remove') - Number(a.kind === 'remove'))
    await this.#device.apply({ ...device, peers: ordered.slice(0, partSize) })
    for (let from = partSize; from < ordered.length; from += partSize) {
      await this.#device.apply({ peers: ordered.slice(from, from + partSize) })
    }
  }

  async #set(config: InterfaceConfig): Promise<InterfaceChange> {
    const change = await this.plan(config)
    if (!isEmpty(change.device)) await this.#applyInParts(change.device)
    await runBatch(change.links, this.#where)
    if (isEmpty(change.device) && change.links.length === 0) return change
    const left = await this.plan(config)
    if (!isEmpty(left.device) || left.links.length > 0) {
      throw new WireGuardError(
        'interface-refused',
        `${this.name} took the change and differs still in ${left.device.peers.length} peers and ${left.links.length} addresses or routes`,
        'Somebody else may be changing it: find out who.',
      )
    }
    return change
  }
}
