import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../clock/clock.ts'
import { openStore, type Store } from '../store/store.ts'
import type { StoredTransaction } from '../store/transactions.ts'
import { createClients } from './any-client.ts'
import { createChainReader } from './chain-reader.ts'
import { createProvisioner, type ProvisionerOptions, type RunningProvisioner } from './provisioner.ts'
import { loadOrCreateKey, type ProvisionerKey } from './provisioner-key.ts'
import { startRpcFront, type RpcFront } from './rpc-front.ts'
import { startTestChain, type TestChain } from './test-chain.ts'

/** A real node with the contract, the front before it, and provisioners of one key: for tests of transactions. */
export interface ProvisionerStand {
  chain: TestChain
  front: RpcFront
  key: ProvisionerKey
  /** Empty for each test. */
  store: Store
  provisioner(url: string, options?: Partial<ProvisionerOptions>): RunningProvisioner
  /** Transactions of the key that are mined. */
  nonce(): Promise<number>
  /** Transactions of the key that wait to be mined next (those behind a gap do not count). */
  pooled(): Promise<number>
  stateOf(tokenId: bigint): Promise<string | undefined>
  /** Newest first. */
  rows(): Promise<StoredTransaction[]>
  /** Waits for a condition. Throws after 15 s. */
  until(what: string, condition: () => Promise<boolean>): Promise<void>
  /** Call before and after each test: each begins on the same chain with an empty store. */
  begin(): Promise<void>
  end(): Promise<void>
  close(): Promise<void>
}

export async function startProvisionerStand(): Promise<ProvisionerStand> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-provisioner-'))
  const key = await loadOrCreateKey(join(folder, 'key'))
  const chain = await startTestChain(key.address)
  const front = await startRpcFront(chain.url)
  let open: RunningProvisioner[] = []
  let state: unknown
  const readerAt = (url: string) =>
    createChainReader({
      clients: createClients([url]),
      chainId: 31337,
      contract: chain.contract,
      confirmations: 1,
      clock: systemClock,
    })
  const reader = readerAt(chain.url)
  const nonce = async (): Promise<number> => Number(await chain.rpc('eth_getTransactionCount', key.address, 'latest'))
  const stand: ProvisionerStand = {
    chain,
    front,
    key,
    store: await openStore(':memory:', { clock: systemClock }),
    provisioner(url, options = {}) {
      const provisioner = createProvisioner({
        clients: createClients([url]),
        reader: readerAt(url),
        key,
        transactions: stand.store.transactions,
        clock: systemClock,
        maxFeePerTransactionWei: 10n ** 17n,
        maxFeePerDayWei: 10n ** 18n,
        pollMs: 20,
        ...options,
      })
      open.push(provisioner)
      return provisioner
    },
    nonce,
    pooled: async () => Number(await chain.rpc('eth_getTransactionCount', key.address, 'pending')) - (await nonce()),
    stateOf: async (tokenId) => (await reader.subscription(tokenId, (await reader.heads()).latest))?.state,
    rows: () => stand.store.transactions.recent(20),
    async until(what, condition) {
      const deadline = performance.now() + 15_000
      while (!(await condition())) {
        if (performance.now() > deadline) throw new Error(`${what} never came`)
        await systemClock.wait(20)
      }
    },
    async begin() {
      state = await chain.rpc('evm_snapshot')
      await stand.store.close()
      stand.store = await openStore(':memory:', { clock: systemClock })
    },
    async end() {
      for (const provisioner of open) await provisioner.close()
      open = []
      await chain.rpc('evm_setAutomine', true)
      await chain.rpc('evm_revert', state)
    },
    async close() {
      await front.close()
      await chain.close()
      await stand.store.close()
      await rm(folder, { recursive: true })
    },
  }
  return stand
}
