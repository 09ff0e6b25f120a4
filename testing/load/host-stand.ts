import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createChainReader } from '@freehold/appliance/chain/chain-reader'
import { createFinalityMemory } from '@freehold/appliance/chain/finality-memory'
import { loadOrCreateKey } from '@freehold/appliance/chain/provisioner-key'
import { createProvisioner } from '@freehold/appliance/chain/provisioner'
import { RpcClient } from '@freehold/appliance/chain/rpc'
import { startRpcFront, type RpcFront } from '@freehold/appliance/chain/rpc-front'
import { startTestChain, type TestChain } from '@freehold/appliance/chain/test-chain'
import { MovableClock } from '@freehold/appliance/clock/clock'
import { declaredIssues } from '@freehold/appliance/health/declared-issues'
import { gatherFacts } from '@freehold/appliance/health/gather'
import { createHealth, visibleIssues, type Health } from '@freehold/appliance/health/health'
import type { Issue } from '@freehold/appliance/health/issue'
import { createFakeHypervisor } from '@freehold/appliance/hypervisor/fake/fake-hypervisor'
import { madeUpTemplate } from '@freehold/appliance/hypervisor/fake/sentinels'
import { openStore, type Store } from '@freehold/appliance/store/store'
import { createReconciler, type Reconciler } from '@freehold/appliance/vms/reconciler'
import { inventedTemplate, logInto, testPorts } from '@freehold/appliance/vms/test-ports'

/** One chain and the front before it, shared by the hosts of a file. */
export interface ChainStand {
  chain: TestChain
  front: RpcFront
  folder: string
  /** Offset of the chain's time to this machine's; hosts follow it. */
  clock: MovableClock
  /** Moves both clocks, and makes the new time final. */
  pass(seconds: number): Promise<void>
  /** As the chain itself tells it, past all faults. */
  stateOf(tokenId: bigint): Promise<string | undefined>
  nonce(): Promise<number>
  /** Address of the provisioner. */
  key: string
  host(name: string, options?: HostOptions): Promise<Host>
  close(): Promise<void>
}

export interface HostOptions {
  /** Default: the chain itself. */
  rpcUrls?: readonly string[]
  confirmations?: number
  maxFeePerTransactionWei?: bigint
  /** Guests of this host never report. */
  silentGuests?: boolean
}

/** The daemon's loop with real chain, contract, keys and store; the hypervisor and the guests alone are played. */
export interface Host {
  store: Store
  reconciler: Reconciler
  hypervisor: ReturnType<typeof createFakeHypervisor>
  installation: string
  state(tokenId: bigint): Promise<string | undefined>
  /** One pass to its end, twice: what a first one begins the second one sees. */
  rest(): Promise<void>
  /** Passes until the condition holds. Throws after 20 s with what the host says. */
  until(what: string, condition: () => Promise<boolean>): Promise<void>
  /** What the operator would read now. */
  issues(): Promise<Issue[]>
  stop(): Promise<void>
}

export async function startChainStand(): Promise<ChainStand> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-faults-'))
  const key = await loadOrCreateKey(join(folder, 'key'))
  const chain = await startTestChain(key.address)
  const front = await startRpcFront(chain.url)
  const clock = new MovableClock()
  const hosts = new Set<Host>()
  const readerAt = (urls: readonly string[], options: { confirmations?: number; store?: Store } = {}) => {
    const clients = urls.map((url) => new RpcClient({ url, timeoutMs: 600, attempts: 3, backoffMs: 10 }))
    const reader = createChainReader({
      clients,
      chainId: 31337,
      contract: chain.contract,
      confirmations: options.confirmations ?? 1,
      clock,
      pollMs: 50,
      ...(options.store && {
        history: options.store.history,
        finality: createFinalityMemory(options.store.settings, 31337),
      }),
    })
    return { clients, reader }
  }
  const truth = readerAt([chain.url]).reader

  async function host(name: string, options: HostOptions = {}): Promise<Host> {
    const store = await openStore(join(folder, `${name}.db`), { clock })
    const { clients, reader } = readerAt(options.rpcUrls ?? [chain.url], {
      store,
      ...(options.confirmations !== undefined && { confirmations: options.confirmations }),
    })
    const provisioner = createProvisioner({
      clients,
      reader,
      key,
      transactions: store.transactions,
      clock,
      maxFeePerTransactionWei: options.maxFeePerTransactionWei ?? 10n ** 17n,
      maxFeePerDayWei: 10n ** 19n,
      pollMs: 20,
    })
    const ports = testPorts(store, clock)
    const hypervisor = createFakeHypervisor({
      clock,
      storages: ['local'],
      createSeconds: 0.01,
      file: join(folder, `${name}.world`),
      onStart(record) {
        if (options.silentGuests === true) return
        const hostKey = { fingerprint: 'SHA256:guest', publicKey: 'ssh-ed25519 AAAA' }
        void store.vms.mark(record.key, { reportedAt: clock.now(), hostKey }).then(() => ports.reports.reported(record.key))
      },
    })
    await hypervisor.importTemplate({ path: madeUpTemplate, sha256: inventedTemplate })
    const lines: string[] = []
    const contracts = [{ reader, provisioner, index: 0 }]
    const reconciler = await createReconciler({
      contracts,
      hypervisor,
      ...ports,
      backOff: { attempts: 1, firstSeconds: 0.1, factor: 1, longestSeconds: 0.1 },
      log: logInto(lines),
    })
    const health: Health = createHealth({
      clock,
      issues: store.issues,
      facts: () =>
        gatherFacts({
          clock,
          contracts,
          chain: { name: 'Local network', lowBalanceWei: 10n ** 16n },
          hypervisor,
          reconciler,
          template: () => Promise.resolve(inventedTemplate),
        }),
    })
    await provisioner.resume()
    await reconciler.start()
    const vm = async (tokenId: bigint) => (await hypervisor.list()).find((r) => r.key.tokenId === tokenId)
    const begun: Host = {
      store,
      reconciler,
      hypervisor,
      installation: reader.installation,
      state: async (tokenId) => (await vm(tokenId))?.state,
      async rest() {
        for (let i = 0; i < 2; i += 1) {
          await reconciler.pass()
          await reconciler.settled()
        }
      },
      async until(what, condition) {
        const deadline = performance.now() + 20_000
        while (!(await condition())) {
          if (performance.now() > deadline)
            throw new Error(`${what} never came\n${lines.slice(-12).join('\n')}\n${JSON.stringify(reconciler.status().issues)}`)
          reconciler.wake()
          await clock.wait(30)
        }
      },
      async issues() {
        await health.check()
        // a hiccup is no issue: what is shown after a while counts here
        return visibleIssues(await store.issues.list(), declaredIssues, clock.now() + 600)
      },
      async stop() {
        if (!hosts.delete(begun)) return
        await reconciler.stop()
        await provisioner.close()
        await hypervisor.close()
        await store.close()
      },
    }
    hosts.add(begun)
    return begun
  }

  return {
    chain,
    front,
    folder,
    clock,
    key: key.address,
    async pass(seconds) {
      clock.advance(seconds)
      await chain.advance(seconds)
      await chain.mine(3)
    },
    stateOf: async (tokenId) => (await truth.subscription(tokenId, (await truth.heads()).latest))?.state,
    nonce: async () => Number(await chain.rpc('eth_getTransactionCount', key.address, 'latest')),
    host,
    async close() {
      for (const one of hosts) await one.stop()
      await front.close()
      await chain.close()
      await rm(folder, { recursive: true })
    },
  }
}
