import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { MovableClock, systemClock } from '../clock/clock.ts'
import { reliability } from '../dev/reliability.ts'
import { openStore } from '../store/store.ts'
import { createChainReader } from './chain-reader.ts'
import { createFinalityMemory } from './finality-memory.ts'
import type { FinalityMemory } from './heads.ts'
import { RpcClient } from './rpc.ts'
import { startRpcFront, type RpcFront } from './rpc-front.ts'
import { startTestChain, type TestChain } from './test-chain.ts'

let chain: TestChain
let front: RpcFront
before(async () => {
  chain = await startTestChain(`0x${'aa'.repeat(20)}`)
  front = await startRpcFront(chain.url)
  await chain.mine(40)
})
after(async () => {
  await front.close()
  await chain.close()
})

function readerOf(urls: readonly string[], finality?: FinalityMemory) {
  return createChainReader({
    clients: urls.map((url) => new RpcClient({ url, timeoutMs: 1000, attempts: 1 })),
    chainId: 31337,
    contract: chain.contract,
    confirmations: 1,
    clock: new MovableClock(),
    ...(finality && { finality }),
  })
}

reliability('chain-finality-forgotten', 'a node that knows no finality after a restart lowers no depth', async (fault) => {
  const store = await openStore(':memory:', { clock: systemClock })
  const memory = () => createFinalityMemory(store.settings, 31337)
  await readerOf([chain.url], memory()).heads()
  for (const lie of ['sentinel-null-finalized', 'sentinel-no-finalized'] as const) {
    const before = front.struck(lie)
    await assert.rejects(readerOf([front.url(lie)], memory()).heads(), { code: 'rpc-refused' })
    await assert.rejects(readerOf([front.url(lie)], memory()).subscriptionForTaking(1n), { code: 'rpc-refused' })
    fault.struck(front.struck(lie) - before)
  }
  await store.close()
})

reliability('chain-finality-forgotten', 'one lying node of two decides nothing, whoever answers first', async (fault) => {
  for (let i = 0; i < 4; i += 1) {
    const before = front.struck('sentinel-null-finalized')
    const urls = [front.url('sentinel-null-finalized'), chain.url]
    const { latest, finalized, agreeing } = await readerOf(i % 2 === 0 ? urls : urls.toReversed()).heads()
    assert.deepEqual([latest.number - finalized.number, agreeing], [2, 1])
    fault.struck(front.struck('sentinel-null-finalized') - before)
  }
})

reliability('chain-early-finality', 'a node that calls its newest block finalized is outvoted', async (fault) => {
  const before = front.struck('sentinel-early-finalized')
  for (const urls of [
    [front.url('sentinel-early-finalized'), chain.url],
    [chain.url, front.url('sentinel-early-finalized')],
  ]) {
    const { latest, finalized, agreeing } = await readerOf(urls).heads()
    assert.deepEqual([latest.number - finalized.number, agreeing], [2, 2])
  }
  fault.struck(front.struck('sentinel-early-finalized') - before)
})
