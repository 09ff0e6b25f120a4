import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createChainReader } from '@freehold/appliance/chain/chain-reader'
import { RpcClient } from '@freehold/appliance/chain/rpc'
import { startTestChain, type TestChain } from '@freehold/appliance/chain/test-chain'
import { MovableClock } from '@freehold/appliance/clock/clock'
import { AppError } from '@freehold/appliance/errors/app-error'
import { openStore } from '@freehold/appliance/store/store'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { median, row, type Bench } from '../row.ts'
import { many, post, sellMany } from '../ten-thousand.ts'

/** As many ids a call as the reader asks for once it knows that the node can. */
const perCall = 1000
const runs = 5
const missed = 5000

export const snapshot: Bench = {
  id: 'snapshot',
  about: 'snapshot of 10,000 subscriptions after 5,000 missed blocks, applied, against bare batched view calls, median of 5',
  slow: true,
  async run(report) {
    const folder = await mkdtemp(join(tmpdir(), 'freehold-bench-'))
    const chain = await startTestChain(`0x${'77'.repeat(20)}`)
    const clock = new MovableClock()
    const store = await openStore(join(folder, 'freehold.db'), { clock })
    try {
      await sellMany(chain, report)
      const clients = [new RpcClient({ url: chain.url, timeoutMs: 60_000 })]
      const reader = createChainReader({ clients, chainId: 31337, contract: chain.contract, confirmations: 1, clock })
      const apply = async () => {
        const taken = await reader.snapshot('latest')
        if (taken.subscriptions.size !== many)
          throw new AppError({ code: 'internal', detail: `It saw ${taken.subscriptions.size}.` })
        await store.projection.replace(taken)
      }
      // the reader learns the size of its calls; the projection has its former state
      await apply()
      const [ours, bare]: [number[], number[]] = [[], []]
      for (let i = 0; i < runs; i += 1) {
        // once, as the node takes long for them; and a snapshot of a block that was read before is remembered
        await chain.mine(i === 0 ? missed : 1)
        bare.push(await timed(() => bareCalls(chain)))
        ours.push(await timed(apply))
        report(`snapshot ${ours.at(-1)?.toFixed(0)} ms, bare calls ${bare.at(-1)?.toFixed(0)} ms`)
      }
      const name = 'snapshot of 10,000 subscriptions after 5,000 blocks, applied / bare view calls'
      return [row(name, median(ours) / median(bare), '×', 1.5)]
    } finally {
      await store.close()
      await chain.close()
      await rm(folder, { recursive: true })
    }
  },
}

async function timed(work: () => Promise<void>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

/** The same views over plain fetch, the hex not decoded. */
async function bareCalls(chain: TestChain): Promise<void> {
  for (let from = 1; from <= many; from += perCall) {
    const ids = Array.from({ length: perCall }, (_, i) => from + i)
    const data = subscriptionsInterface.encodeFunctionData('subscriptions', [ids])
    await post(chain.url, [{ method: 'eth_call', params: [{ to: chain.contract, data }, 'latest'] }])
  }
}
