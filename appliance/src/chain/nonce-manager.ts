import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { Transaction } from 'ethers'
import type { Clock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import type { SignedForm, StoredTransaction, TransactionRepository } from '../store/transactions.ts'
import { firstReachable } from './any-client.ts'
import { parseBlock, parseQuantity } from './blocks.ts'
import { chooseFees, type Fees } from './fees.ts'
import type { TransactionOutcome } from './port.ts'
import type { ProvisionerKey } from './provisioner-key.ts'
import { parseReceipt, type Receipt } from './receipt.ts'
import { revertReason } from './revert-reason.ts'
import { refusalOf, type RpcClient } from './rpc.ts'
import type { Address } from './subscription.ts'

const day = 24 * 3600
/** A nonce may be used while its receipt is not served yet: only after so many looks it counts as taken by another. */
const looksBeforeLost = 5

/** One signature at a time per key, whatever contracts it serves: two rows never share a nonce. */
const turns = new WeakMap<ProvisionerKey, Promise<unknown>>()

export interface NonceManagerOptions {
  clients: readonly RpcClient[]
  chainId: number
  contract: Address
  key: ProvisionerKey
  transactions: TransactionRepository
  clock: Clock
  /** Most that one transaction may cost, wei. */
  maxFeePerTransactionWei: bigint
  /** Most that all of 24 h may cost, wei. */
  maxFeePerDayWei: bigint
  /** Blocks after which an unmined transaction is replaced with a higher fee. */
  replaceAfterBlocks: number
  pollMs: number
}

/** What one look at the chain tells about a transaction. */
interface Look {
  receipt: (Receipt & { hash: string }) | undefined
  /** Transactions of the account that are mined. */
  count: number
  block: number
  baseFee: bigint
  /** The node has the newest form in its pool. */
  known: boolean
}

/** What must be known to sign. Amounts in wei. */
interface SigningFacts {
  gas: bigint
  count: number
  block: number
  baseFee: bigint
  balance: bigint
  tip: bigint
}

/** The transaction's nonce was used by one that is not ours. */
export class NonceTaken extends Error {}

/**
 * Brings one persisted transaction to its end: nonce, fees, signature, all persisted before the broadcast; sent again when
 * forgotten, replaced when not mined. Whatever it throws, the row tells where to go on, and `run` may be called again.
 */
export class NonceManager {
  readonly #o: NonceManagerOptions
  constructor(options: NonceManagerOptions) {
    this.#o = options
  }

  get account(): string {
    return `${this.#o.chainId}:${this.#o.key.address}`
  }

  /**
   * Resolves when mined or refused. Throws `no-funds`, `fee-cap`, `rpc-unreachable`, `rpc-refused`; NonceTaken if another
   * transaction used the nonce; the abort reason if `signal` aborts. `onSent` gets each hash as it is signed.
   */
  async run(
    row: StoredTransaction,
    data: string,
    signal: AbortSignal,
    onSent: (hash: string) => void,
  ): Promise<TransactionOutcome> {
    let current = row
    let looksWithoutReceipt = 0
    if (current.forms.length === 0) {
      const signed = await this.#sign(current, data, undefined)
      if ('refusal' in signed) return this.#refuse(current, signed.refusal)
      current = signed
      onSent(current.forms.at(-1)?.hash ?? '')
      await this.#broadcast(current)
    }
    for (;;) {
      signal.throwIfAborted()
      const newest = current.forms.at(-1)
      if (newest === undefined || current.nonce === null) throw new Error('a signed transaction has a form and a nonce')
      onSent(newest.hash)
      const look = await this.#look(current)
      if (look.receipt !== undefined) return this.#mined(current, look.receipt)
      if (look.count > current.nonce) {
        looksWithoutReceipt += 1
        if (looksWithoutReceipt >= looksBeforeLost) throw new NonceTaken(`nonce ${current.nonce} was used by another transaction`)
      } else if (this.#outbid(newest, look)) {
        const replaced = await this.#sign(current, data, formFees(newest.raw))
        // a replacement that would revert now: the former may still be mined, so it stays
        if (!('refusal' in replaced)) {
          current = replaced
          await this.#broadcast(current)
        }
      } else if (!look.known) {
        await this.#broadcast(current)
      }
      await this.#o.clock.wait(this.#o.pollMs, signal)
    }
  }

  /** True if this form has waited long enough, or no pool takes it because the base fee rose above it. */
  #outbid(form: SignedForm, look: Look): boolean {
    if (look.block - form.block >= this.#o.replaceAfterBlocks) return true
    return !look.known && look.baseFee > formFees(form.raw).maxFeePerGas
  }

  async #refuse(row: StoredTransaction, reason: string): Promise<TransactionOutcome> {
    await this.#o.transactions.put({ ...row, state: 'refused', reason })
    return { state: 'refused', reason }
  }

  async #mined(row: StoredTransaction, receipt: Receipt & { hash: string }): Promise<TransactionOutcome> {
    await this.#o.transactions.put({
      ...row,
      // a reverted one must not stand in the way of the next try
      state: receipt.succeeded ? 'mined' : 'refused',
      reason: receipt.succeeded ? null : 'reverted when mined',
      feeSpent: receipt.fee,
      minedBlock: receipt.blockNumber,
      minedHash: receipt.hash,
    })
    return { state: 'mined', hash: receipt.hash, blockNumber: receipt.blockNumber, succeeded: receipt.succeeded }
  }

  async #look({ nonce, forms }: StoredTransaction): Promise<Look> {
    const { clients, key } = this.#o
    return firstReachable(clients, async (client) => {
      const [count, block, known, ...receipts] = await client.batch([
        { method: 'eth_getTransactionCount', params: [key.address, 'latest'] },
        { method: 'eth_getBlockByNumber', params: ['latest', false] },
        { method: 'eth_getTransactionByHash', params: [forms.at(-1)?.hash] },
        ...forms.map(({ hash }) => ({ method: 'eth_getTransactionReceipt', params: [hash] })),
      ])
      const newest = parseBlock(block)
      if (newest === null)
        throw new AppError({ code: 'rpc-unreachable', detail: `The node at ${client.host} has no newest block.` })
      const index = receipts.findIndex((receipt) => receipt !== null)
      const form = forms[index]
      return {
        receipt: form === undefined ? undefined : { ...parseReceipt(receipts[index]), hash: form.hash },
        count: Number(parseQuantity(count)),
        block: newest.number,
        baseFee: newest.baseFee ?? 0n,
        known: known !== null || nonce === null,
      }
    })
  }

  /** Signs (a first form, or one in the place of `former`) and persists it; or tells why the contract would refuse it. */
  #sign(row: StoredTransaction, data: string, former: Fees | undefined): Promise<StoredTransaction | { refusal: string }> {
    const turn = (turns.get(this.#o.key) ?? Promise.resolve()).then(() => this.#signInTurn(row, data, former))
    turns.set(
      this.#o.key,
      turn.catch(() => undefined),
    )
    return turn
  }

  async #signInTurn(
    row: StoredTransaction,
    data: string,
    former: Fees | undefined,
  ): Promise<StoredTransaction | { refusal: string }> {
    const { clients, key, contract, chainId, transactions, clock } = this.#o
    const facts = await firstReachable(clients, (client) => this.#facts(client, data))
    if ('refusal' in facts) return facts
    const gasLimit = (facts.gas * 5n) / 4n
    const spent = await transactions.spentSince(this.account, clock.now() - day)
    const own = row.sentAt !== null && row.sentAt >= clock.now() - day ? row.feeSpent : 0n
    const fees = chooseFees({
      baseFee: facts.baseFee,
      tip: facts.tip,
      gasLimit,
      former,
      capPerTransaction: this.#o.maxFeePerTransactionWei,
      leftToday: this.#o.maxFeePerDayWei - (spent - own),
    })
    const maxCost = gasLimit * fees.maxFeePerGas
    if (facts.balance < maxCost) throw noFunds(key.address, facts.balance)
    const unfinished = await transactions.unfinished(this.account)
    const promised = unfinished.map(({ nonce }) => (nonce === null ? 0 : nonce + 1))
    const nonce = row.nonce ?? Math.max(facts.count, ...promised)
    const raw = await key.sign({ type: 2, chainId, nonce, to: contract, data, gasLimit, value: 0n, ...fees })
    const hash = Transaction.from(raw).hash
    if (hash === null) throw new Error('a signed transaction has a hash')
    const signed: StoredTransaction = {
      ...row,
      nonce,
      state: 'signed',
      forms: [...row.forms, { hash, raw, maxCost, block: facts.block }],
      feeSpent: maxCost > row.feeSpent ? maxCost : row.feeSpent,
      // before the broadcast: the day's cap must count it even if we die in between
      sentAt: row.sentAt ?? clock.now(),
    }
    await transactions.put(signed)
    return signed
  }

  async #facts(client: RpcClient, data: string): Promise<SigningFacts | { refusal: string }> {
    const { key, contract, chainId } = this.#o
    const from = key.address
    const [estimate, id, count, block, balance, tip] = await client.settle([
      { method: 'eth_estimateGas', params: [{ from, to: contract, data }, 'latest'] },
      { method: 'eth_chainId', params: [] },
      { method: 'eth_getTransactionCount', params: [from, 'latest'] },
      { method: 'eth_getBlockByNumber', params: ['latest', false] },
      { method: 'eth_getBalance', params: [from, 'latest'] },
      { method: 'eth_maxPriorityFeePerGas', params: [] },
    ])
    const value = (outcome: typeof id): unknown => (outcome !== undefined && 'result' in outcome ? outcome.result : undefined)
    if (parseQuantity(value(id)) !== BigInt(chainId)) {
      throw new AppError({ code: 'wrong-chain', detail: `The node at ${client.host} serves another chain than ${chainId}.` })
    }
    const newest = parseBlock(value(block))
    if (newest?.baseFee === undefined) {
      throw new AppError({ code: 'rpc-refused', detail: `The chain behind ${client.host} has no base fee (EIP-1559).` })
    }
    const funds = parseQuantity(value(balance))
    if (estimate === undefined || 'error' in estimate) {
      const refusal = estimate?.error
      const reason = refusal === undefined ? undefined : revertReason(refusal, subscriptionsInterface)
      if (reason !== undefined) return { refusal: reason }
      if (funds === 0n || /insufficient funds/i.test(refusal?.message ?? '')) throw noFunds(from, funds)
      throw new AppError({ code: 'rpc-refused', detail: `The node at ${client.host} gives no estimate.`, cause: refusal })
    }
    const suggested = value(tip)
    return {
      gas: parseQuantity(estimate.result),
      count: Number(parseQuantity(value(count))),
      block: newest.number,
      baseFee: newest.baseFee,
      balance: funds,
      // not every node knows the method: 1 gwei then
      tip: typeof suggested === 'string' ? parseQuantity(suggested) : 1_000_000_000n,
    }
  }

  /** To all nodes; enough if one takes it. What the pool says about nonces is for the next look to judge. */
  async #broadcast({ forms }: StoredTransaction): Promise<void> {
    const raw = forms.at(-1)?.raw
    let failures: unknown[]
    try {
      await Promise.any(this.#o.clients.map((client) => client.send('eth_sendRawTransaction', [raw])))
      return
    } catch (error) {
      failures = error instanceof AggregateError ? (error.errors as unknown[]) : [error]
    }
    const words = failures.map((failure) => refusalOf(failure)?.message ?? '').join('\n')
    if (/already known|already imported|nonce too low|nonce has already|underpriced|base fee|basefee/i.test(words)) return
    if (/insufficient funds/i.test(words)) throw noFunds(this.#o.key.address, undefined)
    throw failures.find((failure) => refusalOf(failure) !== undefined) ?? failures[0]
  }
}

function formFees(raw: string): Fees {
  const { maxFeePerGas, maxPriorityFeePerGas } = Transaction.from(raw)
  return { maxFeePerGas: maxFeePerGas ?? 0n, maxPriorityFeePerGas: maxPriorityFeePerGas ?? 0n }
}

function noFunds(address: Address, balance: bigint | undefined): AppError {
  return new AppError({
    code: 'no-funds',
    detail: balance === undefined ? `${address} cannot pay for a transaction.` : `${address} holds ${balance} wei.`,
  })
}
