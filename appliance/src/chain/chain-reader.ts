import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import type { Clock } from '../clock/clock.ts'
import { AppError, findAppError } from '../errors/app-error.ts'
import type { HistoryRepository } from '../store/history.ts'
import { firstReachable } from './any-client.ts'
import { ContractCodec } from './contract-codec.ts'
import { ContractView } from './contract-view.ts'
import { HeadsReader, type FinalityMemory, type HeadsView } from './heads.ts'
import { installationId } from './installation.ts'
import { LogReader } from './log-reader.ts'
import type { BlockRef, ChainReader, Heads } from './port.ts'
import type { RpcClient } from './rpc.ts'
import { SnapshotReader } from './snapshot-reader.ts'
import { sameSubscription, type Address, type Subscription } from './subscription.ts'

export interface ChainReaderOptions {
  /** In the order of the configuration (`createClients`); with two or more, taking needs them to agree. */
  clients: readonly RpcClient[]
  chainId: number
  contract: string
  /** 1: the newest block itself. */
  confirmations: number
  clock: Clock
  /** Filled with the contract's logs while a watch is on. */
  history?: HistoryRepository
  /** Block of the deployment: where the logs begin. Default 0. */
  fromBlock?: number
  /** Without it, that the chain has finality is forgotten at a restart. */
  finality?: FinalityMemory
  /** How often a watch looks for a new block. Default 2000. */
  pollMs?: number
}

const triesPerRead = 3

/** Pinned reads of one contract (port.ts). Starts nothing: only `watch` runs on its own. */
export function createChainReader(options: ChainReaderOptions): ChainReader {
  const { clients, chainId, clock } = options
  const contract = options.contract.toLowerCase() as Address
  const installation = installationId(chainId, contract)
  const view = new ContractView(contract, new ContractCodec(subscriptionsInterface, installation))
  const headsReader = new HeadsReader({
    clients,
    chainId,
    confirmations: options.confirmations,
    clock,
    finality: options.finality,
  })
  const snapshots = new SnapshotReader({ view, contract, installation })

  async function one(client: RpcClient, tokenId: bigint, at: BlockRef): Promise<Subscription | undefined> {
    const [found] = await view.subscriptions(client, at, [tokenId])
    return found
  }

  /** Blocks come and go: a read that lost its block begins again from new heads. */
  async function fromHeads<T>(read: (heads: HeadsView) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const heads = await headsReader.read()
      try {
        return await read(heads)
      } catch (error) {
        if (attempt >= triesPerRead || findAppError(error, 'chain-inconsistent') === undefined) throw error
      }
    }
  }

  async function readForTaking(tokenId: bigint, heads: HeadsView) {
    if (heads.stale) {
      const detail = `Block ${heads.latest.number} is ${clock.now() - heads.latest.timestamp} s old.`
      throw new AppError({ code: 'chain-stale', detail })
    }
    if (clients.length > 1 && heads.agreeing < 2) {
      throw new AppError({ code: 'chain-inconsistent', detail: 'No second node confirms the finalized block.' })
    }
    // each node at the finalized block that all name, and at its own newest
    const nodes = [{ client: heads.primary, latest: heads.latest }, ...heads.others]
    const answers = await Promise.all(
      nodes.map(async ({ client, latest }) => ({
        finalized: await one(client, tokenId, heads.finalized),
        latest: await one(client, tokenId, latest),
      })),
    )
    const [first] = answers
    if (first?.finalized === undefined || first.latest === undefined) {
      throw new AppError({ code: 'chain-inconsistent', detail: `Subscription ${tokenId} is not at both depths.` })
    }
    for (const other of answers) {
      if (!sameSubscription(other.finalized, first.finalized) || !sameSubscription(other.latest, first.latest)) {
        throw new AppError({ code: 'chain-inconsistent', detail: `The nodes tell subscription ${tokenId} differently.` })
      }
    }
    return { finalized: first.finalized, latest: first.latest, finalizedBlock: heads.finalized }
  }

  return {
    chainId,
    contract,
    installation,
    async heads() {
      return headsOnly(await headsReader.read())
    },
    snapshot: (depth) => fromHeads((heads) => snapshots.read(heads.primary, depth, heads[depth])),
    subscription: (tokenId, at) => firstReachable(clients, (client) => one(client, tokenId, at)),
    subscriptions: (tokenIds, at) => firstReachable(clients, (client) => view.subscriptions(client, at, tokenIds)),
    subscriptionForTaking: (tokenId) => fromHeads((heads) => readForTaking(tokenId, heads)),
    subscriptionForLogin: (tokenId) =>
      fromHeads(async (heads) => ({
        giving: await one(heads.primary, tokenId, heads.giving),
        latest: await one(heads.primary, tokenId, heads.latest),
        heads: headsOnly(heads),
      })),
    watch(wake) {
      const end = new AbortController()
      const logs =
        options.history === undefined
          ? undefined
          : new LogReader({
              contract,
              installation,
              abi: subscriptionsInterface,
              history: options.history,
              fromBlock: options.fromBlock ?? 0,
            })
      void watchHeads({ headsReader, logs, clock, pollMs: options.pollMs ?? 2000, signal: end.signal, wake })
      return () => end.abort()
    },
  }
}

function headsOnly({ latest, giving, finalized, stale, standing, agreeing }: HeadsView): Heads {
  return { latest, giving, finalized, stale, standing, agreeing }
}

/** Wakes on every new block; a node that is down only makes it wait. Never throws. */
async function watchHeads(watch: {
  headsReader: HeadsReader
  logs: LogReader | undefined
  clock: Clock
  pollMs: number
  signal: AbortSignal
  wake: () => void
}): Promise<void> {
  const { headsReader, logs, clock, pollMs, signal, wake } = watch
  let seen = ''
  let logged = ''
  let reading = false
  while (!signal.aborted) {
    try {
      const { latest, finalized, primary } = await headsReader.read()
      if (latest.hash !== seen && !signal.aborted) {
        seen = latest.hash
        wake()
      }
      if (logs !== undefined && !reading && latest.hash !== logged) {
        reading = true
        // beside the watch: years of logs to read must not delay a wake
        void logs
          .catchUp(primary, latest, finalized, signal)
          .then(
            () => {
              logged = latest.hash
            },
            () => undefined,
          )
          .finally(() => {
            reading = false
          })
      }
    } catch {
      // who acts reads the chain itself and raises the issue; the watch goes on looking
    }
    await clock.wait(pollMs, signal)
  }
}
