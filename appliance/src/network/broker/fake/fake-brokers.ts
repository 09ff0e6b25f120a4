import { parseCidr, type Cidr } from 'wireguard-ts/address'
import { generateKeyPair, type PublicKey } from 'wireguard-ts/key'
import type { Clock, UnixSeconds } from '../../../clock/clock.ts'
import { AppError } from '../../../errors/app-error.ts'
import type { Announcement } from '../announcements.ts'
import type { BrokerOffer } from '../choice.ts'
import type { Grant } from '../grant.ts'
import type { BrokerService, OpenTunnel, TunnelHost, TunnelStore } from '../ports.ts'
import type { Tunnel } from '../tunnel-state.ts'

/**
 * An honest small world of brokers and one host: leases, latencies, a clock. Provoke trouble by name: a broker called
 * `sentinel-silent` grants and never answers, `sentinel-refuses` grants nothing, `sentinel-odd-prefix` grants a documentation prefix.
 */
export class FakeBrokers implements BrokerService, TunnelHost, TunnelStore {
  readonly clock: Clock
  readonly brokers = new Map<string, { offer: BrokerOffer; up: boolean; publicKey: PublicKey; leases: Map<PublicKey, Grant> }>()
  registryUp = true
  /** Seconds by which the brokers' clocks are ahead. */
  clockAhead = 0
  /** What was asked, in order. */
  readonly log: string[] = []
  granted: readonly Grant[] = []
  /** The root helper refuses. */
  failing = false
  /** Where all brokers say that they are. */
  endpoint = '45.33.32.2'
  /** Addresses that the tunnels go to. */
  dialled: readonly string[] = []
  announced: readonly Announcement[] = []
  kept: readonly Tunnel[] = []
  names = new Map<string, readonly string[]>()
  networks: readonly Cidr[] = [parseCidr('10.77.0.0/16')]
  readonly #keys = new Map<string, PublicKey>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  add(id: string, more: Partial<BrokerOffer> = {}): void {
    const pool = parseCidr(`2a01:7e00:${(0xa00 + this.brokers.size * 0x100).toString(16)}::/48`)
    const offer: BrokerOffer = {
      name: { id, pool },
      active: true,
      capacity: 0,
      region: 'eu',
      pricePerDay: 0n,
      termSeconds: 30 * 86_400,
      latencyMs: 10,
      ...more,
    }
    this.brokers.set(id, { offer, up: true, publicKey: generateKeyPair().publicKey, leases: new Map() })
  }

  at(id: string) {
    const broker = this.brokers.get(id)
    if (broker === undefined) throw new Error(`no broker ${id}`)
    return broker
  }

  async offers(): Promise<readonly BrokerOffer[]> {
    if (!this.registryUp) throw new AppError({ code: 'rpc-unreachable', detail: 'The registry does not answer.' })
    return [...this.brokers.values()].map(({ offer }) => offer)
  }

  async request(offer: BrokerOffer, { publicKey }: { publicKey: PublicKey }): Promise<Grant> {
    this.log.push(`request ${offer.name.id}`)
    const broker = this.at(offer.name.id)
    if (!broker.up || offer.name.id === 'sentinel-refuses') {
      throw new AppError({ code: 'broker-pool-full', detail: 'No prefix is free.' })
    }
    const odd = offer.name.id === 'sentinel-odd-prefix'
    const own = offer.name.pool.replace('::/48', '')
    const grant: Grant = {
      broker: offer.name,
      prefix: parseCidr(odd ? '2001:db8:5::/64' : `${own}:77::/64`),
      publicKey: broker.publicKey,
      endpoint: { host: this.endpoint, port: 51_820 },
      gateway: `${own}::1`,
      mtu: 1420,
      zone: `${offer.name.id}.example`,
      ...this.#term(offer.termSeconds),
    }
    broker.leases.set(publicKey, grant)
    return grant
  }

  async renew(grant: Grant): Promise<Grant> {
    this.log.push(`renew ${grant.broker.id}`)
    const broker = this.at(grant.broker.id)
    if (!broker.up) throw new AppError({ code: 'rpc-unreachable', detail: 'The broker does not answer.' })
    return { ...grant, ...this.#term(broker.offer.termSeconds) }
  }

  async release(grant: Grant): Promise<void> {
    this.log.push(`release ${grant.broker.id}`)
  }

  /** Labels of each broker's zone. A label that begins with `taken` is somebody else's. */
  readonly zone = new Map<string, string>()

  async name(grant: Grant, label: string, address?: string): Promise<void> {
    this.log.push(`name ${grant.broker.id} ${label} ${address ?? '-'}`)
    if (!this.at(grant.broker.id).up) throw new AppError({ code: 'broker-offer-refused', detail: 'The broker does not answer.' })
    if (label.startsWith('taken')) throw new AppError({ code: 'broker-name-refused', detail: `${label} is taken` })
    if (address === undefined) this.zone.delete(`${label}.${grant.zone}`)
    else this.zone.set(`${label}.${grant.zone}`, address)
  }

  /** Proofs for certificates, by whole name. */
  readonly proofs = new Map<string, string>()

  async prove(grant: Grant, label: string, value: string): Promise<void> {
    this.log.push(`prove ${grant.broker.id} ${label}`)
    if (!this.at(grant.broker.id).up) throw new AppError({ code: 'broker-offer-refused', detail: 'The broker does not answer.' })
    if (!this.zone.has(`${label}.${grant.zone}`))
      throw new AppError({ code: 'broker-name-refused', detail: `${label} is not held` })
    this.proofs.set(`${label}.${grant.zone}`, value)
  }

  async publicKey(brokerId: string): Promise<PublicKey> {
    const key = this.#keys.get(brokerId) ?? generateKeyPair().publicKey
    this.#keys.set(brokerId, key)
    return key
  }

  async setTunnels(tunnels: readonly OpenTunnel[]): Promise<void> {
    this.log.push(`tunnels ${tunnels.map(({ grant }) => grant.broker.id).join(' ')}`)
    if (this.failing) throw new AppError({ code: 'host-helper-down', detail: 'The helper fails.' })
    this.granted = tunnels.map(({ grant }) => grant)
    this.dialled = tunnels.map(({ endpoint }) => endpoint.host)
  }

  async announce(announcements: readonly Announcement[]): Promise<void> {
    this.announced = announcements
  }

  async probe(grant: Grant): Promise<number | undefined> {
    const { up, offer } = this.at(grant.broker.id)
    const set = this.granted.some((other) => other.broker.id === grant.broker.id)
    return up && set && offer.name.id !== 'sentinel-silent' ? offer.latencyMs : undefined
  }

  async ownNetworks(): Promise<readonly Cidr[]> {
    return this.networks
  }

  async lookUp(name: string): Promise<readonly string[]> {
    return this.names.get(name) ?? []
  }

  async load(): Promise<readonly Tunnel[]> {
    return structuredClone(this.kept)
  }

  async save(tunnels: readonly Tunnel[]): Promise<void> {
    this.kept = structuredClone(tunnels)
  }

  #term(seconds: number): { from: UnixSeconds; until: UnixSeconds; graceUntil: UnixSeconds; saidAt: UnixSeconds } {
    const now = this.clock.now()
    return { from: now, until: now + seconds, graceUntil: now + seconds + 86_400, saidAt: now + this.clockAhead }
  }
}
