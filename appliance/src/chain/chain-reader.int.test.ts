import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { deployDevToken } from '@freehold/contracts/dev-token'
import { MovableClock, systemClock, type Clock } from '../clock/clock.ts'
import { reliability } from '../dev/reliability.ts'
import { StoppedClock } from '../dev/stopped-clock.ts'
import { openStore } from '../store/store.ts'
import { createClients } from './any-client.ts'
import { createChainReader } from './chain-reader.ts'
import type { ChainReader } from './port.ts'
import { RpcClient } from './rpc.ts'
import { startRpcFront, type RpcFront } from './rpc-front.ts'
import { day, startTestChain, type TestChain } from './test-chain.ts'

const nobody = '0x00000000000000000000000000000000000000aa'
let chain: TestChain
let front: RpcFront

before(async () => {
  chain = await startTestChain(nobody)
  front = await startRpcFront(chain.url)
})
after(async () => {
  await front.close()
  await chain.close()
})

function readerOf(
  urls: readonly string[],
  options: { confirmations?: number; clock?: Clock; contract?: string; chainId?: number } = {},
): ChainReader {
  const clients = urls.map((url) => new RpcClient({ url, timeoutMs: 1000, attempts: 2, backoffMs: 10 }))
  return createChainReader({ clients, chainId: 31337, contract: chain.contract, confirmations: 1, clock: chainClock, ...options })
}

/** The chain's time is moved by the tests, so the daemon's clock follows it: as `freehold dev advance` does. */
const chainClock = new MovableClock()
async function advance(seconds: number): Promise<void> {
  await chain.advance(seconds)
  chainClock.advance(seconds)
}

describe('denials', () => {
  test('denies a node of another chain, also where a second node is right', async () => {
    await assert.rejects(readerOf([front.url('sentinel-other-chain')]).heads(), { code: 'wrong-chain' })
    await assert.rejects(readerOf([chain.url, front.url('sentinel-other-chain')]).heads(), { code: 'wrong-chain' })
    await assert.rejects(readerOf([chain.url], { chainId: 1 }).snapshot('latest'), { code: 'wrong-chain' })
  })

  test('denies an address without code and a foreign contract', async () => {
    await assert.rejects(readerOf([chain.url], { contract: nobody }).snapshot('latest'), { code: 'contract-missing' })
    await assert.rejects(readerOf([chain.url], { contract: nobody }).subscriptionForTaking(1n), { code: 'contract-missing' })
    const token = await deployDevToken(chain.owner)
    await assert.rejects(readerOf([chain.url], { contract: token }).snapshot('latest'), { code: 'contract-missing' })
  })

  test('denies while no node can be reached', async () => {
    const urls = ['http://127.0.0.1:1', front.url('sentinel-timeout'), front.url('sentinel-down')]
    for (const url of urls) await assert.rejects(readerOf([url]).heads(), { code: 'rpc-unreachable' })
    await assert.rejects(readerOf(urls).snapshot('giving'), { code: 'rpc-unreachable' })
  })

  test('denies taking from a stale head', async () => {
    const id = await chain.buy(chain.alice)
    const clock = new MovableClock(chainClock.offsetSeconds + 660)
    const reader = readerOf([chain.url], { clock })
    assert.equal((await reader.heads()).stale, true)
    await assert.rejects(reader.subscriptionForTaking(id), { code: 'chain-stale' })
    assert.equal((await reader.subscriptionForLogin(id)).heads.stale, true)
  })

  test('T4 a head of 600 s still counts, one of 601 s is stale: nothing is taken, nobody is let in', async () => {
    const id = await chain.buy(chain.alice)
    const clock = new StoppedClock((await readerOf([chain.url]).heads()).latest.timestamp)
    const reader = readerOf([chain.url], { clock })
    clock.advance(600)
    assert.equal((await reader.heads()).stale, false)
    assert.equal((await reader.subscriptionForLogin(id)).heads.stale, false)
    clock.advance(1)
    assert.equal((await reader.subscriptionForLogin(id)).heads.stale, true)
    await assert.rejects(reader.subscriptionForTaking(id), { code: 'chain-stale' })
  })

  test('a chain that two nodes call stale stands still: still nothing is taken', async () => {
    const clock = new MovableClock(chainClock.offsetSeconds + 660)
    const reader = readerOf([chain.url, front.url()], { clock })
    const heads = await reader.heads()
    assert.deepEqual([heads.stale, heads.standing, heads.agreeing], [true, true, 2])
    await assert.rejects(reader.subscriptionForTaking(1n), { code: 'chain-stale' })
    assert.equal((await readerOf([chain.url], { clock }).heads()).standing, false)
  })

  test('a node that stopped following is outvoted by the one that goes on', async () => {
    const frozen = front.url('sentinel-stale')
    await readerOf([frozen]).heads()
    await advance(660)
    assert.equal((await readerOf([frozen]).heads()).stale, true)
    assert.equal((await readerOf([frozen, chain.url]).heads()).stale, false)
  })

  test('denies when two nodes name different finalized blocks', async () => {
    await assert.rejects(readerOf([chain.url, front.url('sentinel-other-history')]).heads(), { code: 'chain-inconsistent' })
  })

  test('denies taking when the second node is down: one word is not two', async () => {
    const id = await chain.buy(chain.alice)
    await chain.mine(3)
    const reader = readerOf([chain.url, front.url('sentinel-down')])
    assert.equal((await reader.heads()).agreeing, 1)
    await assert.rejects(reader.subscriptionForTaking(id), { code: 'chain-inconsistent' })
  })

  test('denies taking when the second node tells the subscription differently', async () => {
    const id = await chain.buy(chain.alice)
    await chain.mine(3)
    const reader = readerOf([chain.url, front.url('sentinel-old-state')])
    assert.equal((await reader.subscriptionForTaking(id)).latest.holder, chain.alice.address.toLowerCase())
    await chain.send(chain.alice, 'transferFrom', [chain.alice.address, chain.bob.address, id])
    await assert.rejects(reader.subscriptionForTaking(id), { code: 'chain-inconsistent' })
  })

  test('denies taking of an id that was never sold', async () => {
    await assert.rejects(readerOf([chain.url]).subscriptionForTaking(10_000n), { code: 'chain-inconsistent' })
  })

  test('never takes a lost finalized tag for a chain without finality', async () => {
    await chain.mine(12)
    const heads = await readerOf([front.url('sentinel-no-finalized')]).heads()
    assert.equal(heads.finalized.number, heads.latest.number - 10)
    const reader = readerOf([front.url('sentinel-forgets-finalized')])
    const first = await reader.heads()
    assert.equal(first.finalized.number, first.latest.number - 2)
    await assert.rejects(reader.heads(), { code: 'rpc-refused' })
  })
})

describe('reads', () => {
  test('E1: what was bought, extended, moved and cancelled while nobody read is all in the next snapshot', async () => {
    const before = await readerOf([chain.url]).snapshot('latest')
    const [kept, moved, unsold] = [await chain.buy(chain.alice), await chain.buy(chain.alice), await chain.buy(chain.bob)]
    await chain.send(chain.owner, 'setProvisioner', [chain.owner.address])
    for (const id of [kept, moved, unsold]) await chain.send(chain.owner, 'activate', [id])
    await chain.send(chain.bob, 'extend', [kept, day, 10n ** 18n], 10n ** 15n)
    await chain.send(chain.alice, 'transferFrom', [chain.alice.address, chain.bob.address, moved])
    await chain.send(chain.bob, 'cancel', [unsold])
    const now = await readerOf([chain.url]).snapshot('latest')
    assert.equal(now.nextTokenId, before.nextTokenId + 3n)
    const subscription = now.subscriptions.get(kept)
    assert.equal(subscription?.state, 'active')
    assert.equal(subscription.expiresAt, subscription.activatedAt + 2 * day)
    assert.equal(now.subscriptions.get(moved)?.holder, chain.bob.address.toLowerCase())
    assert.equal(now.subscriptions.has(unsold), false)
    assert.equal(now.provisioner, chain.owner.address.toLowerCase())
    assert.equal(now.operator, chain.owner.address.toLowerCase())
    assert.equal(now.plans[0]?.prices[0]?.pricePerDay, 10n ** 15n)
  })

  test('a purchase is not seen above the giving depth', async () => {
    const reader = readerOf([chain.url], { confirmations: 5 })
    const id = await chain.buy(chain.alice)
    assert.equal((await reader.snapshot('giving')).subscriptions.has(id), false)
    assert.equal((await reader.subscriptionForLogin(id)).giving, undefined)
    await chain.mine(4)
    assert.equal((await reader.snapshot('giving')).subscriptions.has(id), true)
  })

  test('L7: login sees the former holder at giving and the new one at latest', async () => {
    const reader = readerOf([chain.url], { confirmations: 4 })
    const id = await chain.buy(chain.alice)
    await chain.mine(4)
    await chain.send(chain.alice, 'transferFrom', [chain.alice.address, chain.bob.address, id])
    const { giving, latest } = await reader.subscriptionForLogin(id)
    assert.deepEqual([giving?.holder, latest?.holder], [chain.alice.address.toLowerCase(), chain.bob.address.toLowerCase()])
  })

  test('L14: pass 0 and the ownership of the contract move apart; each is read from the chain', async () => {
    const reader = readerOf([chain.url])
    const state = await chain.rpc('evm_snapshot')
    const [owner, alice, bob] = [chain.owner, chain.alice, chain.bob].map(({ address }) => address.toLowerCase())
    const roles = async () => {
      const snapshot = await reader.snapshot('latest')
      return [snapshot.operator, snapshot.owner]
    }
    assert.deepEqual(await roles(), [owner, owner])
    await chain.send(chain.owner, 'transferFrom', [chain.owner.address, chain.alice.address, 0n])
    assert.deepEqual(await roles(), [alice, owner])
    await chain.send(chain.owner, 'transferOwnership', [chain.bob.address])
    assert.deepEqual(await roles(), [alice, owner], 'in two steps')
    await chain.send(chain.bob, 'acceptOwnership', [])
    assert.deepEqual(await roles(), [alice, bob])
    await chain.rpc('evm_revert', state)
    await chain.mine(1)
  })

  test('E2: a reorganised purchase is gone from the next snapshot', async () => {
    const reader = readerOf([chain.url])
    const state = await chain.rpc('evm_snapshot')
    const id = await chain.buy(chain.alice)
    assert.equal((await reader.snapshot('latest')).subscriptions.has(id), true)
    await chain.rpc('evm_revert', state)
    await chain.mine(1)
    const now = await reader.snapshot('latest')
    assert.equal(now.subscriptions.has(id), false)
    assert.equal(now.nextTokenId, id)
  })

  test('ends with smaller calls where the node refuses large ones, with the same answer', async () => {
    for (let i = 0; i < 60; i += 1) await chain.buy(chain.alice, 3600)
    const [all, small, single] = await Promise.all([
      readerOf([chain.url]).snapshot('latest'),
      readerOf([front.url('sentinel-small-calls')]).snapshot('latest'),
      readerOf([front.url('sentinel-no-batches')]).snapshot('latest'),
    ])
    assert.ok(all.subscriptions.size >= 60)
    assert.deepEqual(small, all)
    assert.deepEqual(single, all)
  })

  test('ids that ended in a finalized block are not asked again', async () => {
    await chain.send(chain.owner, 'setProvisioner', [chain.owner.address])
    const reader = readerOf([front.url('sentinel-small-calls')])
    await chain.mine(3)
    const { subscriptions } = await reader.snapshot('finalized')
    const doomed = [...subscriptions.values()].filter(({ state }) => state === 'pending').slice(0, 30)
    assert.equal(doomed.length, 30)
    for (const { tokenId } of doomed) await chain.send(chain.owner, 'reject', [tokenId])
    await chain.mine(3)
    const live = (await reader.snapshot('finalized')).subscriptions
    await chain.mine(1)
    const before = front.asked('eth_call')
    const again = await reader.snapshot('finalized')
    assert.deepEqual([...again.subscriptions.keys()], [...live.keys()])
    // facts and plans take 8 calls; at least 15 ids fit in each of the rest
    assert.ok(front.asked('eth_call') - before <= 8 + Math.ceil(live.size / 15), 'work grows with what lives')
    for (const { tokenId } of doomed) {
      const { finalized, latest } = await reader.subscriptionForTaking(tokenId)
      assert.deepEqual([finalized.state, latest.state], ['ended', 'ended'])
    }
  })

  test('reads go on with the second node while the first is down', async () => {
    const reader = readerOf([front.url('sentinel-down'), chain.url])
    const { latest } = await reader.heads()
    assert.equal((await reader.subscription(1n, latest))?.tokenId, 1n)
    assert.equal(await reader.subscription(10_000n, latest), undefined)
  })

  test('a node that hangs holds up no login', async () => {
    const began = performance.now()
    const clients = createClients([front.url('sentinel-timeout'), chain.url])
    const reader = createChainReader({ clients, chainId: 31337, contract: chain.contract, confirmations: 1, clock: chainClock })
    const { latest, heads } = await reader.subscriptionForLogin(1n)
    assert.deepEqual([latest?.tokenId, heads.agreeing], [1n, 1])
    assert.ok(performance.now() - began < 8000, 'its own timeout is 10 s')
  })

  test('a busy node is asked again', async () => {
    const client = new RpcClient({ url: front.url('sentinel-busy'), backoffMs: 1 })
    assert.equal(await client.call('eth_chainId'), '0x7a69')
  })
})

describe('the watch', () => {
  test('wakes on each new block even if the node finds no logs', async () => {
    const reader = createChainReader({
      clients: createClients([front.url('sentinel-empty-logs')]),
      chainId: 31337,
      contract: chain.contract,
      confirmations: 1,
      clock: systemClock,
      pollMs: 20,
    })
    let wakes = 0
    let changed = Promise.withResolvers<void>()
    const stop = reader.watch(() => {
      wakes += 1
      changed.resolve()
    })
    await changed.promise
    changed = Promise.withResolvers<void>()
    await chain.mine(1)
    await changed.promise
    stop()
    assert.ok(wakes >= 2)
  })

  reliability(
    'chain-behind',
    'E8: 5,000 blocks behind a node that takes 100 at a time; the snapshot does not wait for it',
    async (fault) => {
      const store = await openStore(':memory:', { clock: systemClock })
      const first = await chain.buy(chain.alice)
      await chain.mine(5000)
      const last = await chain.buy(chain.alice)
      const reader = createChainReader({
        clients: createClients([front.url('sentinel-small-windows')]),
        chainId: 31337,
        contract: chain.contract,
        confirmations: 1,
        clock: chainClock,
        history: store.history,
        pollMs: 20,
      })
      const stop = reader.watch(() => undefined)
      const { subscriptions } = await reader.snapshot('latest')
      assert.ok(subscriptions.has(first) && subscriptions.has(last))
      while ((await store.history.ofToken(reader.installation, last)).length === 0) await systemClock.wait(50)
      stop()
      const names = (await store.history.ofToken(reader.installation, first)).map(({ name }) => name)
      assert.deepEqual(names.toSorted(), ['Bought', 'Transfer'])
      // E7: reading the same blocks again changes nothing
      const again = createChainReader({
        clients: createClients([chain.url]),
        chainId: 31337,
        contract: chain.contract,
        confirmations: 1,
        clock: chainClock,
        history: store.history,
        pollMs: 20,
      })
      const woken = Promise.withResolvers<void>()
      const stopAgain = again.watch(woken.resolve)
      await woken.promise
      await chain.mine(1)
      const { latest } = await again.heads()
      while ((await store.history.cursor(reader.installation)) !== latest.number) await systemClock.wait(20)
      stopAgain()
      assert.equal((await store.history.ofToken(reader.installation, first)).length, 2)
      fault.struck(front.struck('sentinel-small-windows'))
      await store.close()
    },
    { timeout: 600_000 },
  )
})

test('expired subscriptions are told as the chain tells them', async () => {
  const id = await chain.buy(chain.alice, 3600)
  await chain.send(chain.owner, 'setProvisioner', [chain.owner.address])
  await chain.send(chain.owner, 'activate', [id])
  await advance(3 * day)
  await chain.mine(3)
  const { finalized, finalizedBlock } = await readerOf([chain.url]).subscriptionForTaking(id)
  assert.ok(finalizedBlock.timestamp > finalized.graceEndsAt)
  await chain.send(chain.owner, 'end', [id])
  const { latest, finalized: before } = await readerOf([chain.url]).subscriptionForTaking(id)
  assert.deepEqual([before.state, latest.state], ['active', 'ended'])
})
