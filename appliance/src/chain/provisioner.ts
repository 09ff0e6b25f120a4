import { randomUUID } from 'node:crypto'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import type { Clock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import type { StoredTransaction, TransactionRepository } from '../store/transactions.ts'
import { firstReachable } from './any-client.ts'
import { parseQuantity } from './blocks.ts'
import { NonceManager, NonceTaken } from './nonce-manager.ts'
import type { ChainReader, Provisioner, TransactionOutcome } from './port.ts'
import type { ProvisionerKey } from './provisioner-key.ts'
import type { RpcClient } from './rpc.ts'
import type { Subscription } from './subscription.ts'

export type ProvisionerVerb = StoredTransaction['verb']

export interface ProvisionerOptions {
  clients: readonly RpcClient[]
  /** Of the contract that it acts on. */
  reader: Pick<ChainReader, 'chainId' | 'contract' | 'installation' | 'heads' | 'subscription'>
  /** One object per key, shared by the provisioners of all contracts: it orders their nonces. */
  key: ProvisionerKey
  transactions: TransactionRepository
  clock: Clock
  maxFeePerTransactionWei: bigint
  maxFeePerDayWei: bigint
  /** Blocks after which an unmined transaction is replaced. Default 3. */
  replaceAfterBlocks?: number
  /** Default 1000. */
  pollMs?: number
}

/** `Provisioner`, and what ends the work that goes on behind it. */
export interface RunningProvisioner extends Provisioner {
  /** Stops watching; rows stay as they are, `resume` takes them up in the next life. */
  close(): Promise<void>
}

/** The state that a verb leads to. */
const goals = { activate: 'active', reject: 'ended', end: 'ended' } as const satisfies Record<
  ProvisionerVerb,
  Subscription['state']
>

interface Work {
  promise: Promise<TransactionOutcome>
  hash: string | undefined
}

/** The provisioner of one contract (port.ts). Starts nothing before it is called. */
export function createProvisioner(options: ProvisionerOptions): RunningProvisioner {
  const { clients, reader, key, transactions, clock } = options
  const manager = new NonceManager({
    ...options,
    chainId: reader.chainId,
    contract: reader.contract,
    replaceAfterBlocks: options.replaceAfterBlocks ?? 3,
    pollMs: options.pollMs ?? 1000,
  })
  const closing = new AbortController()
  const working = new Map<string, Work>()

  /** How the contract stands to what is wanted: null if it may be sent. */
  async function obstacle(verb: ProvisionerVerb, tokenId: bigint): Promise<'reached' | { reason: string } | null> {
    const { latest } = await reader.heads()
    const subscription = await reader.subscription(tokenId, latest)
    if (subscription === undefined) return { reason: 'never sold' }
    if (subscription.state === goals[verb]) return 'reached'
    if (subscription.state === 'ended') return { reason: 'already ended' }
    return null
  }

  function encode(verb: ProvisionerVerb, tokenId: bigint): string {
    return subscriptionsInterface.encodeFunctionData(verb, [tokenId])
  }

  async function intend(verb: ProvisionerVerb, tokenId: bigint): Promise<StoredTransaction> {
    const row: StoredTransaction = {
      id: randomUUID(),
      account: manager.account,
      installation: reader.installation,
      verb,
      tokenId,
      nonce: null,
      forms: [],
      state: 'intended',
      feeSpent: 0n,
      reason: null,
      createdAt: clock.now(),
      sentAt: null,
      minedBlock: null,
      minedHash: null,
    }
    await transactions.put(row)
    return row
  }

  /** The row to work on: one that is under way, or a new intent; or the outcome if there is nothing to send. */
  async function next(verb: ProvisionerVerb, tokenId: bigint): Promise<StoredTransaction | { outcome: TransactionOutcome }> {
    const known = await transactions.find({ account: manager.account, installation: reader.installation, verb, tokenId })
    const found = await obstacle(verb, tokenId)
    if (known?.state === 'mined' && known.minedHash !== null && known.minedBlock !== null && found === 'reached') {
      return { outcome: { state: 'mined', hash: known.minedHash, blockNumber: known.minedBlock, succeeded: true } }
    }
    // what was signed is brought to its end first, whatever the contract says: it may be in a pool or in a block
    if (known !== undefined && known.forms.length > 0) return known
    if (found === null) return known ?? intend(verb, tokenId)
    const reason = found === 'reached' ? `already ${goals[verb]}` : found.reason
    if (known !== undefined) await transactions.put({ ...known, state: 'refused', reason })
    return { outcome: { state: 'refused', reason } }
  }

  /**
   * The nonce is used and no node knows a receipt. If the contract shows the effect, it was ours all the same; else the row
   * is lost and another one may be begun.
   */
  async function withoutReceipt(id: string, verb: ProvisionerVerb, tokenId: bigint): Promise<TransactionOutcome | undefined> {
    const row = await transactions.get(id)
    if (row === undefined) throw new Error('a row that was signed is in the store')
    const { latest } = await reader.heads()
    if ((await obstacle(verb, tokenId)) !== 'reached') {
      await transactions.put({ ...row, state: 'lost', reason: 'its nonce was used by another transaction', feeSpent: 0n })
      return undefined
    }
    const hash = row.forms.at(-1)?.hash ?? ''
    await transactions.put({ ...row, state: 'mined', minedHash: hash, minedBlock: latest.number })
    return { state: 'mined', hash, blockNumber: latest.number, succeeded: true }
  }

  async function work(verb: ProvisionerVerb, tokenId: bigint, onSent: (hash: string) => void): Promise<TransactionOutcome> {
    for (;;) {
      const row = await next(verb, tokenId)
      if ('outcome' in row) return row.outcome
      try {
        return await manager.run(row, encode(verb, tokenId), closing.signal, onSent)
      } catch (error) {
        if (!(error instanceof NonceTaken)) throw error
        const outcome = await withoutReceipt(row.id, verb, tokenId)
        if (outcome !== undefined) return outcome
      }
    }
  }

  function start(verb: ProvisionerVerb, tokenId: bigint): Work {
    const name = `${verb}:${tokenId}`
    const running = working.get(name)
    if (running !== undefined) return running
    const begun: Work = {
      hash: undefined,
      promise: work(verb, tokenId, (hash) => {
        begun.hash = hash
      }).finally(() => working.delete(name)),
    }
    working.set(name, begun)
    return begun
  }

  async function act(verb: ProvisionerVerb, tokenId: bigint, signal?: AbortSignal): Promise<TransactionOutcome> {
    if (closing.signal.aborted) throw new AppError({ code: 'rpc-unreachable', detail: 'The daemon is stopping.' })
    const job = start(verb, tokenId)
    if (signal === undefined) return job.promise
    const { promise: aborted, resolve, reject } = Promise.withResolvers<TransactionOutcome>()
    const onAbort = (): void => {
      // who waits goes; the transaction stays on its way
      if (job.hash !== undefined) resolve({ state: 'pending', hash: job.hash })
      else reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
    }
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    job.promise.catch(() => undefined)
    try {
      return await Promise.race([job.promise, aborted])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  return {
    address: key.address,
    activate: (tokenId, signal) => act('activate', tokenId, signal),
    reject: (tokenId, signal) => act('reject', tokenId, signal),
    end: (tokenId, signal) => act('end', tokenId, signal),
    async balance() {
      return parseQuantity(await firstReachable(clients, (client) => client.call('eth_getBalance', [key.address, 'latest'])))
    },
    async resume() {
      const rows = await transactions.unfinished(manager.account)
      for (const { installation, verb, tokenId } of rows) {
        // a failure is persisted in the row; whoever asks for the verb again gets it
        if (installation === reader.installation) start(verb, tokenId).promise.catch(() => undefined)
      }
    },
    async close() {
      closing.abort(new AppError({ code: 'rpc-unreachable', detail: 'The daemon is stopping.' }))
      await Promise.allSettled([...working.values()].map(({ promise }) => promise))
    },
  }
}
