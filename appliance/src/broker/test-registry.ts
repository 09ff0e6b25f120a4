import { brokerRegistryInterface, deployBrokerRegistry } from '@freehold/contracts/broker-registry'
import canonicalize from 'canonicalize'
import { Contract, JsonRpcProvider, Wallet } from 'ethers'
import { startTestChain, type TestChain } from '../chain/test-chain.ts'
import { systemClock } from '../clock/clock.ts'
import { Agent } from './chain/agent.ts'
import { ChainPath } from './chain/chain-path.ts'
import { Registry } from './chain/registry.ts'
import { BrokerDatabase } from './store/database.ts'
import { Book } from './book.ts'
import { Broker, type NameServer } from './broker.ts'
import type { BrokerContact } from './requests/answer.ts'
import type { DataPath } from './types.ts'
import { FakeDataPath } from './fake/fake-data-path.ts'
import { parsePool } from './leases/pool.ts'
import { defaultTerms } from './leases/terms.ts'
import { requestText, type BrokerRequest } from './requests/request.ts'
import { generateMessageKey, open, seal, type MessageKey, type MessagePlace } from './requests/seal.ts'
import { brokerKey, keyOf } from './test-broker.ts'

export const fee = 10n ** 16n

/** A real chain with the registry, one broker on it, and an installation whose provisioner signs. */
export interface TestRegistry {
  chain: TestChain
  registryAddress: string
  brokerId: bigint
  registry: Registry
  agent: Agent
  broker: Broker
  dataPath: FakeDataPath
  db: BrokerDatabase
  path: ChainPath
  messageKey: MessageKey
  provisioner: Wallet
  /** Asks on chain; returns the request's id. Bytes instead of a request are sent as they are. */
  askOnChain(
    what: Partial<BrokerRequest> | Uint8Array,
    options?: { from?: Wallet; value?: bigint; contract?: string },
  ): Promise<bigint>
  /** A request of the test's installation. */
  request(fields?: Partial<BrokerRequest>): BrokerRequest
  signed(request: BrokerRequest, by?: Wallet): Promise<{ request: BrokerRequest; signature: string }>
  outcome(id: bigint): Promise<{ outcome: number; code: number; answer: string }>
  /** Opens the answer of a request that `askOnChain` made. */
  opened(id: bigint): Promise<unknown>
  /** The broker's operator names another agent. */
  setAgent(agent: string): Promise<void>
  list(contract: string, listed: boolean): Promise<void>
  close(): Promise<void>
}

export async function startTestRegistry(
  options: {
    confirmations?: number
    names?: NameServer
    /** Real packets in place of the fake's, with their pool and what hosts are told of it. */
    packets?: { dataPath: DataPath; pool: string; contact: Partial<BrokerContact> & { wireguardKey: string } }
  } = {},
): Promise<TestRegistry> {
  const key = Wallet.createRandom()
  const chain = await startTestChain(key.address)
  const provider = new JsonRpcProvider(chain.url, 31_337, { staticNetwork: true, cacheTimeout: -1, pollingInterval: 50 })
  const provisioner = new Wallet(key.privateKey, provider)
  const agentKey = Wallet.createRandom()
  await chain.rpc('anvil_setBalance', agentKey.address, `0x${(10n ** 18n).toString(16)}`)
  const registryAddress = await deployBrokerRegistry(chain.owner)
  const messageKey = await generateMessageKey()
  const operated = new Contract(registryAddress, brokerRegistryInterface, chain.bob)
  const profile = {
    agent: agentKey.address,
    fee,
    termSeconds: defaultTerms.termSeconds,
    graceSeconds: defaultTerms.graceSeconds,
    key: messageKey.publicKey,
    region: 'test-1',
    url: 'https://broker.example.org',
  }
  await (await operated.getFunction('register')(profile)).wait()
  const registry = new Registry({
    rpcUrls: [chain.url],
    chainId: 31_337,
    registry: registryAddress,
    brokerId: 0n,
    confirmations: options.confirmations ?? 1,
    clock: systemClock,
  })
  const agent = new Agent({ rpcUrl: chain.url, chainId: 31_337, registry: registryAddress, privateKey: agentKey.privateKey })
  const db = new BrokerDatabase(':memory:')
  const book = new Book({
    db,
    pool: parsePool(options.packets?.pool ?? '2001:db8:b00::/48', 'routed', true),
    terms: defaultTerms,
    random: (below) => BigInt(`0x${Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('hex')}`) % below,
    randomBytes: () => crypto.getRandomValues(new Uint8Array(8)),
  })
  const dataPath = new FakeDataPath()
  const log = { info: () => undefined, error: () => undefined }
  const contact = {
    wireguardKey: brokerKey,
    endpoint: '203.0.113.1:51820',
    address: '2001:db8:b00::1',
    mtu: 1420,
    zone: 'vm.example.org',
    ...options.packets?.contact,
  }
  const broker = new Broker({
    book,
    dataPath: options.packets?.dataPath ?? dataPath,
    clock: systemClock,
    contact,
    log,
    names: options.names,
    takingTime: () => registry.takingTime(),
  })
  await broker.start()
  const path = new ChainPath({ registry, agent, broker, db, messageKey, wireguardKey: contact.wireguardKey, log })
  const answerKeys = new Map<bigint, { key: MessageKey; place: MessagePlace }>()
  let sequence = 0

  const request = (fields: Partial<BrokerRequest> = {}): BrokerRequest => {
    sequence += 1
    const now = systemClock.now()
    return {
      v: 1,
      verb: 'request',
      broker: contact.wireguardKey,
      chainId: 31_337,
      contract: chain.contract,
      wireguardKey: keyOf('registry-host'),
      sequence,
      issuedAt: now - 60,
      expiresAt: now + 500,
      ...fields,
    }
  }
  const outcome = async (id: bigint): Promise<{ outcome: number; code: number; answer: string }> => {
    const one = await new Contract(registryAddress, brokerRegistryInterface, provider).getFunction('request')(id)
    return { outcome: Number(one.outcome), code: Number(one.code), answer: String(one.answer) }
  }
  return {
    chain,
    registryAddress,
    brokerId: 0n,
    registry,
    agent,
    broker,
    dataPath,
    db,
    path,
    messageKey,
    provisioner,
    request,
    async signed(one, by = provisioner) {
      return { request: one, signature: await by.signMessage(requestText(one)) }
    },
    async askOnChain(what, { from = provisioner, value = fee, contract = chain.contract } = {}) {
      const place = {
        direction: 'question',
        chainId: 31_337,
        registry: registryAddress,
        brokerId: 0n,
        installation: contract,
        asker: from.address,
      } as const
      const answerKey = await generateMessageKey()
      const question =
        what instanceof Uint8Array
          ? what
          : await seal(
              messageKey.publicKey,
              place,
              canonicalize(request({ answerKey: Buffer.from(answerKey.publicKey).toString('base64'), ...what })) ?? '',
            )
      const asking = new Contract(registryAddress, brokerRegistryInterface, from)
      await (await asking.getFunction('ask')(0n, contract, 1, question, { value })).wait()
      const id = BigInt(await asking.getFunction('requestCount')()) - 1n
      answerKeys.set(id, { key: answerKey, place: { ...place, direction: 'answer' } })
      return id
    },
    outcome,
    async opened(id) {
      const one = await outcome(id)
      const { key: mine, place } = answerKeys.get(id) ?? {}
      if (mine === undefined || place === undefined) throw new TypeError('not asked here')
      return JSON.parse(await open(mine, place, Buffer.from(one.answer.slice(2), 'hex')))
    },
    async setAgent(agent) {
      await (await operated.getFunction('update')(0n, { ...profile, agent })).wait()
    },
    async list(contract, listed) {
      await (await operated.getFunction('setListed')(0n, contract, listed)).wait()
      await registry.heads()
    },
    async close() {
      agent.close()
      provider.destroy()
      db.close()
      await chain.close()
    },
  }
}
