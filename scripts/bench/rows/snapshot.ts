import { createChainReader } from '@freehold/appliance/chain/chain-reader'
import { RpcClient } from '@freehold/appliance/chain/rpc'
import { zeroAddress } from '@freehold/appliance/chain/subscription'
import { startTestChain, type TestChain } from '@freehold/appliance/chain/test-chain'
import { MovableClock } from '@freehold/appliance/clock/clock'
import { AppError } from '@freehold/appliance/errors/app-error'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { median, row, type Bench } from '../row.ts'

const count = 10_000
const perBlock = 500
/** As many ids a call as the reader asks for once it knows that the node can. */
const perCall = 1000
const runs = 5

export const snapshot: Bench = {
  id: 'snapshot',
  about: 'snapshot of 10,000 subscriptions against bare batched view calls, median of 5',
  slow: true,
  async run(report) {
    const chain = await startTestChain(`0x${'77'.repeat(20)}`)
    try {
      await sell(chain, report)
      const clients = [new RpcClient({ url: chain.url, timeoutMs: 60_000 })]
      const reader = createChainReader({
        clients,
        chainId: 31337,
        contract: chain.contract,
        confirmations: 1,
        clock: new MovableClock(),
      })
      // the reader learns the size of its calls
      await reader.snapshot('latest')
      const [ours, bare]: [number[], number[]] = [[], []]
      for (let i = 0; i < runs; i += 1) {
        // a snapshot of a block that was read before is remembered
        await chain.mine(1)
        bare.push(await timed(() => bareCalls(chain)))
        ours.push(
          await timed(async () => {
            const { subscriptions } = await reader.snapshot('latest')
            if (subscriptions.size !== count) throw new AppError({ code: 'internal', detail: `It saw ${subscriptions.size}.` })
          }),
        )
        report(`snapshot ${ours.at(-1)?.toFixed(0)} ms, bare calls ${bare.at(-1)?.toFixed(0)} ms`)
      }
      return [row('snapshot of 10,000 subscriptions / bare view calls', median(ours) / median(bare), '×', 1.5)]
    } finally {
      await chain.close()
    }
  },
}

async function timed(work: () => Promise<void>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

async function post(url: string, calls: readonly { method: string; params: readonly unknown[] }[]): Promise<unknown[]> {
  const body = JSON.stringify(calls.map((call, id) => ({ jsonrpc: '2.0', id, ...call })))
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(120_000) })
  const answers = (await response.json()) as { result?: unknown; error?: { message: string } }[]
  return answers.map(({ result, error }) => {
    if (error !== undefined) throw new AppError({ code: 'rpc-refused', detail: error.message })
    return result
  })
}

/** The same views over plain fetch, the hex not decoded. */
async function bareCalls(chain: TestChain): Promise<void> {
  for (let from = 1; from <= count; from += perCall) {
    const ids = Array.from({ length: perCall }, (_, i) => from + i)
    const data = subscriptionsInterface.encodeFunctionData('subscriptions', [ids])
    await post(chain.url, [{ method: 'eth_call', params: [{ to: chain.contract, data }, 'latest'] }])
  }
}

/** Many purchases a block: a chain's mining slows with its height. */
async function sell(chain: TestChain, report: (line: string) => void): Promise<void> {
  const day = 86_400
  const price = 10n ** 15n
  const data = subscriptionsInterface.encodeFunctionData('buy', [0, zeroAddress, day, price, chain.alice.address])
  const value = `0x${price.toString(16)}`
  let nonce = await chain.provider.getTransactionCount(chain.alice.address)
  await chain.rpc('evm_setAutomine', false)
  for (let sold = 0; sold < count; sold += perBlock) {
    const transactions = Array.from({ length: perBlock }, (_, i) => ({
      method: 'eth_sendTransaction',
      params: [
        { from: chain.alice.address, to: chain.contract, data, value, gas: '0x7a120', nonce: `0x${(nonce + i).toString(16)}` },
      ],
    }))
    await post(chain.url, transactions)
    await chain.rpc('evm_mine')
    nonce += perBlock
    if ((sold + perBlock) % 2500 === 0) report(`${sold + perBlock} sold`)
  }
  await chain.rpc('evm_setAutomine', true)
}
