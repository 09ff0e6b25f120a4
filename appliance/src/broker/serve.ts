import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { chmod, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEndpoint, type Endpoint, type InterfaceAddress } from 'wireguard-ts/address'
import { publicKeyOf } from 'wireguard-ts/key'
import { systemClock, type Clock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import { adminServer } from './admin/server.ts'
import { Book } from './book.ts'
import { Broker, type BrokerLog } from './broker.ts'
import { Agent } from './chain/agent.ts'
import { ChainPath } from './chain/chain-path.ts'
import { Registry } from './chain/registry.ts'
import type { BrokerConfig } from './config.ts'
import { checkEndpoint } from './endpoint.ts'
import { bitsToIpv6 } from '../network/ip.ts'
import { LeaseStore } from './store/leases.ts'
import { publicServer } from './http/public-server.ts'
import { ownNetwork, spanOf } from './leases/pool.ts'
import { leaseOf } from './leases/record.ts'
import { KnotNames } from './names/knot.ts'
import { NameBook } from './names/name-book.ts'
import { nameRoutes } from './names/routes.ts'
import { loadSecrets, type BrokerSecrets } from './secrets.ts'
import { BrokerDatabase } from './store/database.ts'
import type { Change, DataPath, DataPathSettings, LeaseId } from './types.ts'

/** A running broker. */
export interface RunningBroker {
  broker: Broker
  close(): Promise<void>
}

export interface ServeOptions {
  config: BrokerConfig
  makeDataPath(settings: DataPathSettings & { lastSeen(lease: LeaseId): Endpoint | undefined }): DataPath
  log: BrokerLog
  clock?: Clock
  /** How often the newest block is asked for; a look at the requests follows a new one, or 30 s. Default 250 ms. */
  chainMs?: number
  /** How often ends, counters and drift are looked at. Default 60 s. */
  tickMs?: number
}

/** What the data path is told, from configuration and secrets. */
export function dataPathSettings({ network, pool }: BrokerConfig, { wireguardKey }: BrokerSecrets): DataPathSettings {
  const endpoint = parseEndpoint(network.endpoint)
  return {
    interfaceName: network.interface,
    uplink: network.uplink,
    pool: pool.network,
    mode: network.mode,
    ownAddress: `${bitsToIpv6(spanOf(ownNetwork(pool)).first + 1n)}/${pool.lengths[0]}` as InterfaceAddress,
    listenPort: endpoint.port,
    privateKey: wireguardKey,
    mtu: network.mtu,
    hostToHost: network.hostToHost,
    openPorts: network.openPorts,
  }
}

/** What a start would change in the network, from the store alone; nothing is touched and no broker need run. */
export async function planStart(config: BrokerConfig, makeDataPath: ServeOptions['makeDataPath']): Promise<readonly Change[]> {
  const settings = dataPathSettings(config, await loadSecrets(config.secretsFolder))
  await mkdir(config.stateFolder, { recursive: true })
  const db = new BrokerDatabase(join(config.stateFolder, 'broker.db'))
  const leases = new LeaseStore(db)
  const dataPath = makeDataPath({ ...settings, lastSeen: (lease) => leases.lastSeen(lease) })
  try {
    return await dataPath.plan(leases.live().map(leaseOf))
  } finally {
    db.close()
    await dataPath.close()
  }
}

/**
 * Starts in this order: checks that change nothing, the network from the store, names, and only then requests. What was given is
 * standing before anybody is answered, and no host asks anything for it (N3).
 */
export async function serveBroker(options: ServeOptions): Promise<RunningBroker> {
  const { config, log } = options
  const clock = options.clock ?? systemClock
  await checkEndpoint(
    parseEndpoint(config.network.endpoint),
    async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
    config.allowDocumentation,
  )
  const secrets = await loadSecrets(config.secretsFolder)
  for (const folder of [config.stateFolder, config.runFolder]) await mkdir(folder, { recursive: true, mode: 0o755 })
  const db = new BrokerDatabase(join(config.stateFolder, 'broker.db'))
  await chmod(join(config.stateFolder, 'broker.db'), 0o600)
  const book = new Book({
    db,
    pool: config.pool,
    terms: config.terms,
    random: (below) => BigInt(`0x${randomBytes(24).toString('hex')}`) % below,
    randomBytes: () => randomBytes(8),
  })
  const registry = new Registry({ ...config.chain, brokerId: BigInt(config.chain.brokerId), clock })
  const settings = dataPathSettings(config, secrets)
  const dataPath = options.makeDataPath({ ...settings, lastSeen: (lease) => book.leases.lastSeen(lease) })
  const names = new NameBook(db, book.leases)
  const wireguardKey = publicKeyOf(secrets.wireguardKey)
  const broker = new Broker({
    book,
    dataPath,
    clock,
    log,
    contact: {
      wireguardKey,
      endpoint: config.network.endpoint,
      address: settings.ownAddress.split('/')[0] ?? '',
      mtu: config.network.mtu,
      ...(config.names === undefined ? {} : { zone: config.names.zone }),
    },
    names:
      config.names === undefined
        ? undefined
        : new KnotNames({
            place: {
              zoneFolder: join(config.stateFolder, 'zones'),
              stateFolder: join(config.stateFolder, 'knot'),
              runFolder: join(config.runFolder, 'knot'),
              listen: config.names.listen,
            },
            facts: config.names,
            pool: config.pool.network,
            names,
            db,
            clock,
          }),
    takingTime: () => registry.takingTime(),
  })
  const [rpcUrl = ''] = config.chain.rpcUrls
  const agent = new Agent({
    rpcUrl,
    chainId: config.chain.chainId,
    registry: config.chain.registry,
    privateKey: secrets.agentKey,
  })

  // a broker that cannot set its network serves nobody, but its operator must be able to ask it why
  const admin = adminServer({ broker, log, agent })
  const adminPath = join(config.runFolder, 'admin.sock')
  await rm(adminPath, { force: true })
  await admin.listen({ path: adminPath })
  await chmod(adminPath, 0o600)
  const pageServer = adminServer({ broker, log, agent, password: secrets.pagePassword })
  await pageServer.listen(hostPort(config.page.listen))

  const stop = new AbortController()
  const loops: Promise<void>[] = []
  for (;;) {
    try {
      const changes = await broker.start()
      log.info({ changes, leases: book.leases.countLive() }, 'the network stands as the store has it')
      break
    } catch (error) {
      log.error({ err: error }, 'the network could not be set, tried again in 5 s')
      await clock.wait(5000, stop.signal)
    }
  }
  const publicApp = publicServer({
    broker,
    registry,
    region: config.region,
    sign: (text) => agent.sign(text),
    log,
    names: config.names === undefined ? undefined : nameRoutes(broker, registry, names),
  })
  await publicApp.listen(hostPort(config.http.listen))
  const chainPath = new ChainPath({ registry, agent, broker, db, messageKey: secrets.messageKey, wireguardKey, log })
  const loop = async (what: string, everyMs: number, work: () => Promise<unknown>): Promise<void> => {
    while (!stop.signal.aborted) {
      const failed = await work().then(
        () => false,
        (error: unknown) => {
          log.error({ err: error }, `${what}: tried again`)
          return true
        },
      )
      // a node that is down is not asked four times a second
      await clock.wait(failed ? Math.max(everyMs, 5000) : everyMs, stop.signal)
    }
  }
  let seen: bigint | undefined
  let lookedAt = Number.NEGATIVE_INFINITY
  const look = async (): Promise<void> => {
    const newest = await registry.newest()
    if (newest === seen && clock.monotonicMs() - lookedAt < 30_000) return
    await chainPath.pass()
    seen = newest
    lookedAt = clock.monotonicMs()
  }
  loops.push(loop('requests on chain', options.chainMs ?? 250, look))
  loops.push(loop('upkeep', options.tickMs ?? 60_000, () => broker.tick()))
  log.info({ http: config.http.listen }, 'serving')

  return {
    broker,
    async close() {
      stop.abort()
      await publicApp.close()
      await Promise.all(loops)
      await pageServer.close()
      await admin.close()
      agent.close()
      // the packets go on: nothing of the network is taken down
      await dataPath.close()
      db.close()
    },
  }
}

function hostPort(text: string): { host: string; port: number } {
  const { host, port } = parseEndpoint(text)
  if (!['127.0.0.1', '::1'].includes(host))
    throw new AppError({ code: 'config-invalid', detail: `${text} is not a loopback address.` })
  return { host, port }
}
