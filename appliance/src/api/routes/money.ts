import { AbiCoder, id } from 'ethers'
import { vmIdOf } from '../../chain/installation.ts'
import type { Address, Subscription } from '../../chain/subscription.ts'
import type { StoredChainEvent } from '../../store/history.ts'
import type { StoredTransaction } from '../../store/transactions.ts'
import type { ApiServer } from '../app.ts'
import { deskOf } from '../desk.ts'
import { holdingsOf } from '../holdings.ts'
import type { ApiPorts } from '../ports.ts'
import {
  moneyEntriesQuerySchema,
  moneyEntriesSchema,
  moneySchema,
  type Money,
  type MoneyEntry,
  type MoneyFigure,
} from '../schemas/operator.ts'

const day = 86_400
const kinds = {
  Bought: 'bought',
  Extended: 'extended',
  Settled: 'settled',
  Ended: 'ended',
  Collected: 'collected',
  Withdrawn: 'withdrawn',
} as const satisfies Record<string, MoneyEntry['kind']>
type EventName = keyof typeof kinds
/** What each figure is made of: what was paid in and runs, what was earned of it, what was sent on. */
const madeOf = {
  escrowed: ['Bought', 'Extended'],
  unsettled: ['Bought', 'Extended'],
  collectable: ['Settled', 'Collected'],
  collected: ['Collected'],
} as const satisfies Record<MoneyFigure, readonly EventName[]>

/** GET /v1/money and its entries: what came in, what is held, what it costs; each act with its transaction. For the operator. */
export function registerMoney(app: ApiServer, ports: ApiPorts): void {
  /** A number that the chain tells; null where it does not answer, never zero. */
  async function asked(method: string, params: readonly unknown[]): Promise<string | null> {
    try {
      return BigInt(String(await ports.rpc(method, params))).toString()
    } catch {
      return null
    }
  }

  async function collectableOf(contracts: readonly string[], token: string): Promise<string | null> {
    const data = id('collectable(address)').slice(0, 10) + AbiCoder.defaultAbiCoder().encode(['address'], [token]).slice(2)
    const each = await Promise.all(contracts.map((to) => asked('eth_call', [{ to, data }, 'latest'])))
    return each.includes(null) ? null : each.reduce((sum, one) => sum + BigInt(one ?? 0), 0n).toString()
  }

  app.get('/v1/money', { config: { access: 'operator' }, schema: { response: { 200: moneySchema } } }, async () => {
    const desk = deskOf(ports)
    const facts = ports.facts()
    const held = new Map<string, { escrowed: bigint; unsettled: bigint }>()
    const entry = (token: string) => {
      const known = held.get(token) ?? { escrowed: 0n, unsettled: 0n }
      held.set(token, known)
      return known
    }
    for (const { latest } of facts.contracts) for (const { prices } of latest.plans) for (const { token } of prices) entry(token)
    for (const { subscription: s, contract } of holdingsOf(facts).all) {
      const sum = entry(s.token)
      const earned = earnedAt(s, contract.latest.block.timestamp)
      sum.escrowed += s.paid - earned
      sum.unsettled += earned - s.settled
    }
    const collected = new Map<string, bigint>()
    for (const { args } of await ports.store.history.named('Collected')) {
      const token = String(args['token']).toLowerCase()
      collected.set(token, (collected.get(token) ?? 0n) + BigInt(args['amount'] as bigint))
    }
    for (const token of collected.keys()) entry(token)
    const account = `${ports.host.chainId}:${desk.provisioner}`
    const contracts = facts.contracts.map((c) => c.latest.contract)
    const [tokens, balanceWei, spent, transactions] = await Promise.all([
      Promise.all(
        [...held].map(async ([token, { escrowed, unsettled }]) => ({
          ...tokenView(token),
          escrowed: escrowed.toString(),
          unsettled: unsettled.toString(),
          collectable: await collectableOf(contracts, token),
          collected: (collected.get(token) ?? 0n).toString(),
        })),
      ),
      asked('eth_getBalance', [desk.provisioner, 'latest']),
      ports.store.transactions.spentSince(account, ports.clock.now() - day),
      ports.store.transactions.recent(20),
    ])
    return {
      tokens,
      provisioner: {
        address: desk.provisioner,
        balanceWei,
        spentDayWei: spent.toString(),
        transactions: transactions.map(transactionView),
      },
    }
  })

  app.get(
    '/v1/money/entries',
    { config: { access: 'operator' }, schema: { querystring: moneyEntriesQuerySchema, response: { 200: moneyEntriesSchema } } },
    async ({ query: { figure, ...page } }) => {
      const names = figure === undefined ? Object.keys(kinds) : madeOf[figure]
      const { items, nextCursor } = await ports.store.history.newest(names, page)
      return { items: await Promise.all(items.map(entryView)), nextCursor }
    },
  )

  function tokenView(token: string): { token: string; symbol: string; decimals: number } {
    const { symbol, decimals } = ports.token(token as Address)
    return { token, symbol, decimals }
  }

  async function entryView(event: StoredChainEvent): Promise<MoneyEntry> {
    const { installation, tokenId, name, args, blockNumber, transactionHash } = event
    const amount = args['amount'] ?? args['refunded'] ?? args['paid'] ?? 0n
    const named = args['token'] as string | undefined
    const token = named ?? (tokenId === null ? undefined : await tokenOfPurchase(installation, tokenId))
    return {
      kind: kinds[name as EventName],
      tokenId: tokenId?.toString() ?? null,
      vmId: tokenId === null ? null : vmIdOf({ installation, tokenId }),
      token: token === undefined ? null : tokenView(token.toLowerCase()),
      amount: String(amount as bigint),
      block: blockNumber,
      transactionHash,
    }
  }

  /** An extension and an end say no token: it is that of the purchase. */
  async function tokenOfPurchase(installation: string, tokenId: bigint): Promise<string | undefined> {
    const bought = (await ports.store.history.ofToken(installation, tokenId)).find((event) => event.name === 'Bought')
    return bought?.args['token'] as string | undefined
  }
}

/** What the stream has earned at `now`, as the contract reckons it (design §5). */
function earnedAt(s: Subscription, now: number): bigint {
  const length = s.streamTo - s.streamFrom
  if (s.state !== 'active' || length <= 0) return 0n
  const elapsed = Math.max(0, Math.min(now, s.streamTo) - s.streamFrom)
  return (s.paid * BigInt(elapsed)) / BigInt(length)
}

function transactionView(t: StoredTransaction): Money['provisioner']['transactions'][number] {
  const { verb, state, feeSpent, reason, createdAt, minedHash, forms } = t
  return {
    verb,
    vmId: vmIdOf(t),
    state,
    feeWei: feeSpent.toString(),
    reason,
    createdAt,
    transactionHash: minedHash ?? forms.at(-1)?.hash ?? null,
  }
}
