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
/** Rows that somebody waits for, by id: these are tended by their own `run`, all others by whoever waits behind them. */
const attended = new Set<string>()
/** One at a time tends a row: two would replace it twice. */
const tendings = new Map<string, Promise<unknown>>()

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

/** Where a transaction goes. An empty one goes to the key's own address: it only uses up a nonce. */
interface Target {
  to: Address
  data: string
}

/** What one look at a row and what was done about it came to. */
type Tended = { outcome: TransactionOutcome } | { hash: string; count: number; nonce: number }

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
 * forgotten, replaced when not mined. Rows before it that nobody waits for are sent again too, or emptied where the contract
 * would refuse them now: a nonce left open would hold up all later ones. Whatever it throws, the row tells where to go on,
 * and `run` may be called again.
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
    attended.add(row.id)
    try {
      if (row.forms.length === 0) {
        const signed = await this.#sign(row, { to: this.#o.contract, data }, undefined)
        if ('refusal' in signed) return await this.#refuse(row, signed.refusal)
        onSent(signed.forms.at(-1)?.hash ?? '')
        await this.#broadcast(signed)
      }
      let looksWithoutReceipt = 0
      for (;;) {
        signal.throwIfAborted()
        const tended = await this.#tend(row.id, { ofAnother: false })
        if ('outcome' in tended) {
          await this.#closeBehind(row.id)
          return tended.outcome
        }
        onSent(tended.hash)
        if (tended.count > tended.nonce) {
          looksWithoutReceipt += 1
          if (looksWithoutReceipt >= looksBeforeLost)
            throw new NonceTaken(`nonce ${tended.nonce} was used by another transaction`)
        } else await this.#clearBefore(tended.nonce, tended.count, signal)
        await this.#o.clock.wait(this.#o.pollMs, signal)
      }
    } finally {
      attended.delete(row.id)
    }
  }

  /** Tends what stands at the nonces from `count` up to `nonce` and is waited for by nobody. */
  async #clearBefore(nonce: number, count: number, signal: AbortSignal): Promise<void> {
    if (count === nonce) return
    // of several rows that share a nonce the newest counts: the others lost it
    const rows = new Map((await this.#o.transactions.atNonces(this.account, count, nonce)).map((row) => [row.nonce, row]))
    for (const row of rows.values()) {
      signal.throwIfAborted()
      if (!attended.has(row.id)) await this.#tend(row.id, { ofAnother: true })
    }
  }

  /** A row that is mined shows that all before it are: those nobody waits for are written down too. Never throws. */
  async #closeBehind(id: string): Promise<void> {
    try {
      const nonce = (await this.#o.transactions.get(id))?.nonce ?? 0
      for (const row of await this.#o.transactions.unfinished(this.account)) {
        if (row.nonce !== null && row.nonce < nonce && !attended.has(row.id)) await this.#tend(row.id, { ofAnother: true })
      }
    } catch {
      // their books stay open until the next one: that holds nobody up
    }
  }

  /** Looks once at a signed row and does what it needs. Throws as `run`. */
  #tend(id: string, how: { ofAnother: boolean }): Promise<Tended> {
    const tending = (tendings.get(id) ?? Promise.resolve()).then(() => this.#tendAlone(id, how))
    const settled = tending.then(
      () => undefined,
      () => undefined,
    )
    tendings.set(id, settled)
    void settled.then(() => {
      if (tendings.get(id) === settled) tendings.delete(id)
    })
    return tending
  }

  async #tendAlone(id: string, { ofAnother }: { ofAnother: boolean }): Promise<Tended> {
    // as it is stored now: who tended it before may have replaced it
    const row = await this.#o.transactions.get(id)
    const newest = row?.forms.at(-1)
    const first = row?.forms[0]
    if (row === undefined || newest === undefined || first === undefined || row.nonce === null)
      throw new Error('a signed transaction has a form and a nonce')
    const look = await this.#look(row)
    if (look.receipt !== undefined) return { outcome: await this.#mined(row, look.receipt) }
    let current = row
    if (look.count <= row.nonce) {
      // its block has gone: it is under way again
      if (row.state !== 'signed') await this.#o.transactions.put((current = { ...row, state: 'signed', reason: null }))
      const { to, data } = Transaction.from(first.raw)
      const wanted = { to: (to ?? this.#o.contract) as Address, data }
      const outbid = this.#outbid(newest, look)
      if (outbid || !look.known) current = await this.#pursue(current, newest, { wanted, outbid, ofAnother })
    }
    return { hash: current.forms.at(-1)?.hash ?? newest.hash, count: look.count, nonce: row.nonce }
  }

  /** Sends a row again as it is, with higher fees, or empty where what it asked for would be refused or is wanted no more. */
  async #pursue(
    row: StoredTransaction,
    newest: SignedForm,
    { wanted, outbid, ofAnother }: { wanted: Target; outbid: boolean; ofAnother: boolean },
  ): Promise<StoredTransaction> {
    const isEmpty = this.#isEmpty(newest)
    let empty = isEmpty || (ofAnother && (await this.#isSuperseded(row)))
    if (!empty && ofAnother && !outbid) {
      empty = 'refusal' in (await firstReachable(this.#o.clients, (client) => this.#facts(client, wanted)))
    }
    if (!outbid && empty === isEmpty) {
      await this.#broadcast(row)
      return row
    }
    const fees = formFees(newest.raw)
    let replaced = empty ? undefined : await this.#sign(row, wanted, fees)
    // the call would revert now; a form that no pool takes would hold up all later nonces for ever
    if (replaced === undefined || 'refusal' in replaced)
      replaced = await this.#sign(row, { to: this.#o.key.address, data: '0x' }, fees)
    if ('refusal' in replaced)
      throw new AppError({ code: 'rpc-refused', detail: `An empty transaction is refused: ${replaced.refusal}.` })
    await this.#broadcast(replaced)
    return replaced
  }

  #isEmpty({ raw }: SignedForm): boolean {
    const { to, data } = Transaction.from(raw)
    return data === '0x' && to?.toLowerCase() === this.#o.key.address.toLowerCase()
  }

  /** True if something else has been begun for the same subscription since: what this row asked for is not wanted any more. */
  async #isSuperseded({ installation, tokenId, verb, nonce }: StoredTransaction): Promise<boolean> {
    const unfinished = await this.#o.transactions.unfinished(this.account)
    return unfinished.some(
      (other) =>
        other.installation === installation &&
        other.tokenId === tokenId &&
        other.verb !== verb &&
        (other.nonce === null || other.nonce > (nonce ?? 0)),
    )
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
    const form = row.forms.find(({ hash }) => hash === receipt.hash)
    const givenUp = form !== undefined && this.#isEmpty(form)
    const reason = givenUp ? 'given up: an empty transaction took its place' : receipt.succeeded ? null : 'reverted when mined'
    await this.#o.transactions.put({
      ...row,
      // a reverted one must not stand in the way of the next try
      state: reason === null ? 'mined' : 'refused',
      reason,
      feeSpent: receipt.fee,
      minedBlock: receipt.blockNumber,
      minedHash: receipt.hash,
    })
    if (givenUp) return { state: 'refused', reason: reason ?? '' }
    return { state: 'mined', hash: receipt.hash, blockNumber: receipt.blockNumber, succeeded: receipt.succeeded }
  }

  async #look(row: StoredTransaction): Promise<Look> {
    let first: RpcClient | undefined
    const look = await firstReachable(this.#o.clients, (client) => this.#lookAt((first = client), row))
    if (look.receipt !== undefined) return look
    // one node may stay behind for good, and the daemon must not wait for it: what another has in a block is in a block
    const others = this.#o.clients.filter((client) => client !== first && !client.doubtful)
    const answers = await Promise.allSettled(others.map((client) => this.#lookAt(client, row)))
    for (const answer of answers) if (answer.status === 'fulfilled' && answer.value.receipt !== undefined) return answer.value
    return look
  }

  async #lookAt(client: RpcClient, { nonce, forms }: StoredTransaction): Promise<Look> {
    const [count, block, known, ...receipts] = await client.batch([
      { method: 'eth_getTransactionCount', params: [this.#o.key.address, 'latest'] },
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
  }

  /** Signs (a first form, or one in the place of `former`) and persists it; or tells why the contract would refuse it. */
  #sign(row: StoredTransaction, target: Target, former: Fees | undefined): Promise<StoredTransaction | { refusal: string }> {
    const turn = (turns.get(this.#o.key) ?? Promise.resolve()).then(() => this.#signInTurn(row, target, former))
    turns.set(
      this.#o.key,
      turn.catch(() => undefined),
    )
    return turn
  }

  async #signInTurn(
    row: StoredTransaction,
    { to, data }: Target,
    former: Fees | undefined,
  ): Promise<StoredTransaction | { refusal: string }> {
    const { clients, key, chainId, transactions, clock } = this.#o
    const facts = await firstReachable(clients, (client) => this.#facts(client, { to, data }))
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
    // a node that is behind counts too few: what we have signed for ourselves we know better. If a reorganisation took some of
    // it away, who waits behind it puts it back first
    const used = (await transactions.highestNonce(this.account)) ?? -1
    const nonce = row.nonce ?? Math.max(facts.count, used + 1, ...promised)
    const raw = await key.sign({ type: 2, chainId, nonce, to, data, gasLimit, value: 0n, ...fees })
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

  async #facts(client: RpcClient, { to, data }: Target): Promise<SigningFacts | { refusal: string }> {
    const { key, chainId } = this.#o
    const from = key.address
    const [estimate, id, count, block, balance, tip] = await client.settle([
      { method: 'eth_estimateGas', params: [{ from, to, data }, 'latest'] },
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
