import { getAddress } from 'ethers'
import { parseCidr } from 'wireguard-ts/address'
import { macOf } from '../mac.ts'
import { vmIdOf, type VmKey } from '../../chain/installation.ts'
import type { Clock } from '../../clock/clock.ts'
import type { BrokerAnswer } from '../../config/schema.ts'
import { announcementsOf } from './announcements.ts'
import { createChainService, pendingSchema, type ChainServiceOptions } from './chain-service.ts'
import { createBrokerClient, type BrokerClient, type BrokerTrouble } from './client.ts'
import { createHttpService, type KnownBroker } from './http-service.ts'
import type { BrokerService, RootTunnels } from './ports.ts'
import { registeredBrokers } from './registry-brokers.ts'
import { createTunnelHost } from './tunnel-host.ts'
import { createTunnelStore } from './tunnel-store.ts'
import { createVmNames, type NamedVm, type NameProofs, type PublicAddress } from './vm-names.ts'

type VmName = Pick<VmKey, 'installation' | 'tokenId'>

export interface PublicIpv6Ports {
  answer: BrokerAnswer
  chainId: number
  /** The first contract of this host: who it is to brokers. */
  contract: string
  /** The provisioner: signs requests, and sends those on chain. */
  signer: { address: string; signText(text: string): Promise<string> }
  send: ChainServiceOptions['send']
  call(method: string, params: readonly unknown[]): Promise<unknown>
  givingBlock(): Promise<string>
  root: RootTunnels
  settings: Parameters<typeof createTunnelStore>[0] & {
    remove(key: string): Promise<void>
  }
  clock: Clock
  /** VMs there are; undefined: not known now. */
  vms(): readonly VmName[] | undefined
  /** Names of this host itself; those in a broker's zone are served by it. */
  ownNames: readonly string[]
  log(line: string, cause?: unknown): void
}

/** Public IPv6 of this host by brokers, as the rest of the daemon sees it. */
export interface PublicIpv6 {
  client: BrokerClient
  start(): Promise<void>
  stop(): Promise<void>
  addressesOf(vm: VmName): PublicAddress[]
  /** Throws `broker-name-refused`, `not-supported`. */
  setName(vm: VmName, label: string): Promise<void>
  /** Proofs for certificates of this host's own names. */
  proofs: NameProofs
  troubles(): readonly BrokerTrouble[]
}

/** Names are compared with what brokers serve so often. */
const namesEveryMs = 15_000

/** Wires the client of brokers for a configuration. Starts nothing. */
export function createPublicIpv6(ports: PublicIpv6Ports): PublicIpv6 {
  const { answer, chainId, settings, clock, log } = ports
  const contract = getAddress(ports.contract)
  const host = createTunnelHost(ports.root)
  const registry = answer.registry === null ? undefined : getAddress(answer.registry)
  const registered = async () =>
    registry === undefined ? [] : await registeredBrokers((method, params) => ports.call(method, params), { chainId, registry })
  const ofFile = answer.known.map(({ name, url, agent, pool }): KnownBroker => ({
    id: `file:${name}`,
    url,
    agent: getAddress(agent),
    pool: parseCidr(pool),
    capacity: 0,
    pricePerDay: 0n,
  }))
  const publicKey = (brokerId: string) => host.publicKey(brokerId)
  const httpOf = (known: () => Promise<readonly KnownBroker[]>): BrokerService =>
    createHttpService({ known, chainId, contract, sign: (text) => ports.signer.signText(text), publicKey, clock })
  const every = async () => [...ofFile, ...(await registered())]
  const http = httpOf(answer.path === 'http' ? every : async () => ofFile)
  const onChain =
    registry === undefined || answer.path === 'http'
      ? undefined
      : createChainService({
          brokers: registered,
          chainId,
          registry,
          contract,
          asker: getAddress(ports.signer.address),
          send: ports.send,
          call: ports.call,
          givingBlock: ports.givingBlock,
          pending: {
            get: (key) => settings.get(`broker question ${key}`, pendingSchema),
            put: (key, value) =>
              value === undefined ? settings.remove(`broker question ${key}`) : settings.put(`broker question ${key}`, value),
          },
          publicKey,
          clock,
        })
  const serviceOf = (id: string): Omit<BrokerService, 'name' | 'prove'> => (id.startsWith('file:') ? http : (onChain ?? http))
  const service: BrokerService = {
    offers: async () => [...(await http.offers()), ...((await onChain?.offers()) ?? [])],
    request: (offer, ask) => serviceOf(offer.name.id).request(offer, ask),
    renew: (grant) => serviceOf(grant.broker.id).renew(grant),
    release: (grant) => serviceOf(grant.broker.id).release(grant),
    // names are asked for by HTTP alone, also where leases are asked for on chain
    name: (grant, label, address) => httpOf(every).name(grant, label, address),
    prove: (grant, label, value) => httpOf(every).prove(grant, label, value),
  }
  const client = createBrokerClient({
    service,
    host,
    store: createTunnelStore(settings),
    clock,
    policy: policyOf(answer),
    prefixLength: answer.prefixLength,
    log,
  })
  const named = (vm: VmName): NamedVm => ({ vmId: vmIdOf(vm), mac: macOf(vm) })
  const names = createVmNames({
    service,
    tunnels: () => client.tunnels(),
    vms: () => ports.vms()?.map(named),
    own: ports.ownNames,
    settings,
    now: () => clock.now(),
    log,
  })
  const stopping = new AbortController()
  const loops: Promise<void>[] = []

  async function keepNames(): Promise<void> {
    while (!stopping.signal.aborted) {
      await names.pass().catch((error: unknown) => log('names of VMs could not be published', error))
      await clock.wait(namesEveryMs, stopping.signal)
    }
  }

  const preferred = (): string | undefined => {
    const tunnels = client.tunnels().map(({ tunnel }) => tunnel)
    const first = announcementsOf(tunnels, clock.now()).findIndex(({ preferredSeconds }) => preferredSeconds > 0)
    const shown = client.tunnels().filter(({ state }) => state !== 'unproven')
    return shown[first]?.tunnel.grant.prefix
  }

  return {
    client,
    async start() {
      // the helper has restored what it kept; this brings what the daemon knows beside it
      await client.restore().catch((error: unknown) => log('tunnels could not be restored yet', error))
      loops.push(client.run(stopping.signal), keepNames())
    },
    async stop() {
      stopping.abort()
      await Promise.all(loops)
    },
    addressesOf: (vm) => names.addressesOf(named(vm), preferred()),
    setName: (vm, label) => names.choose(named(vm), label),
    proofs: names,
    troubles: () => client.troubles(),
  }
}

export function policyOf({ count, maxPricePerDayWei, minTermSeconds, regions, pinned }: BrokerAnswer) {
  return { count, maxPricePerDay: BigInt(maxPricePerDayWei), minTermSeconds, regions, pinned }
}
