import assert from 'node:assert/strict'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { zeroAddress, type Address, type Subscription } from '../chain/subscription.ts'
import { openStore } from '../store/store.ts'
import type { StoredVm } from '../store/vms.ts'
import { createPassWatch, type PassFacts, type PassWatch } from './pass-watch.ts'
import { holder, otherWallet, signInStand, testContract, testInstallation, type SignInStand } from './test-stand.ts'

const [former, next] = [holder.address.toLowerCase() as Address, otherWallet.address.toLowerCase() as Address]

suite('who was root, and whose connections stand', () => {
  let stand: SignInStand
  let watch: PassWatch
  let vm: StoredVm
  let cuts: string[]
  let stale: boolean
  let failing: boolean

  /** What the daemon knows: both depths as the test's chain says, the VM as the store has it. */
  function facts(): PassFacts {
    const snapshot = (depth: 'latest' | 'giving') => {
      const subscription = depth === 'latest' ? stand.chain.latestSubscription : stand.chain.giving
      return {
        installation: testInstallation,
        contract: testContract,
        depth,
        block: stand.chain.heads[depth],
        nextTokenId: 43n,
        subscriptions: new Map<bigint, Subscription>(subscription === undefined ? [] : [[42n, subscription]]),
        plans: [],
        owner: zeroAddress,
        treasury: zeroAddress,
        provisioner: zeroAddress,
        operator: zeroAddress,
        buyingPaused: false,
      }
    }
    return {
      contracts: [{ latest: snapshot('latest'), giving: snapshot('giving') }],
      vms: new Map([[`${testInstallation}-42`, vm]]),
    }
  }

  async function open(): Promise<PassWatch> {
    return await createPassWatch({
      clock: stand.clock,
      facts,
      isStale: () => stale,
      onChange: (listener) => stand.chain.onChange(listener),
      rows: stand.store.passWatch,
      cutConnections(of) {
        if (failing) return Promise.reject(new Error('the root helper does not answer'))
        cuts.push(`${of.tokenId}/${of.generation}`)
        return Promise.resolve()
      },
      log: (line) => stand.lines.push(line),
    })
  }

  beforeEach(async () => {
    stand = await signInStand()
    await stand.putVm()
    vm = (await stand.store.vms.get({ installation: testInstallation, tokenId: 42n })) as StoredVm
    cuts = []
    stale = failing = false
    watch = await open()
    await watch.look()
  })
  afterEach(() => stand.store.close())

  test('L5 nothing is cut and nobody is warned while pass and subscription stand', async () => {
    await watch.look()
    assert.deepEqual(cuts, [])
    assert.equal(watch.formerHolder(vm, former), null)
  })

  test('L5 a moved pass cuts the connections at latest, once, before it is confirmed', async () => {
    stand.chain.latestSubscription = { ...stand.chain.latestSubscription, holder: next } as Subscription
    await watch.look()
    await watch.look()
    assert.deepEqual(cuts, ['42/1'])
  })

  test('an expiry, an end and a cancel cut the connections; a renewal does not', async () => {
    const now = stand.chain.heads.latest.timestamp
    stand.chain.set({ expiresAt: now })
    await watch.look()
    assert.deepEqual(cuts, ['42/1'])
    stand.chain.set({ expiresAt: now + 86_400 })
    await watch.look()
    assert.deepEqual(cuts, ['42/1'])
    stand.chain.giving = stand.chain.latestSubscription = undefined
    await watch.look()
    assert.deepEqual(cuts, ['42/1', '42/1'])
  })

  test('L5 a pass that moved while nobody was let in: what its former holder opened meanwhile is cut at the renewal', async () => {
    const now = stand.chain.heads.latest.timestamp
    stand.chain.set({ expiresAt: now })
    await watch.look()
    assert.deepEqual(cuts, ['42/1'])
    // a plain key still opens the guest until it is shut down
    stand.chain.set({ expiresAt: now, holder: next })
    await watch.look()
    const restarted = await open()
    stand.chain.set({ holder: next })
    await restarted.look()
    await restarted.look()
    assert.deepEqual(cuts, ['42/1', '42/1'])
  })

  test('P5 a helper that is silent about one VM keeps no other waiting', async () => {
    const held = Promise.withResolvers<void>()
    const other = { ...vm, tokenId: 43n }
    const both = () => {
      const { contracts, vms } = facts()
      const grown = (of: Map<bigint, Subscription>) =>
        new Map([...of, ...[...of.values()].map((s) => [43n, { ...s, tokenId: 43n }] as const)])
      return {
        contracts: contracts.map(({ latest, giving }) => ({
          latest: { ...latest, subscriptions: grown(latest.subscriptions as Map<bigint, Subscription>) },
          giving: { ...giving, subscriptions: grown(giving.subscriptions as Map<bigint, Subscription>) },
        })),
        vms: new Map([...vms, [`${testInstallation}-43`, other]]),
      }
    }
    const second = Promise.withResolvers<void>()
    const slow = await createPassWatch({
      clock: stand.clock,
      facts: both,
      isStale: () => false,
      onChange: () => () => undefined,
      rows: stand.store.passWatch,
      cutConnections: ({ tokenId }) => (tokenId === 42n ? held.promise : Promise.resolve(second.resolve())),
      log: () => undefined,
    })
    await slow.look()
    stand.chain.set({ holder: next })
    const looked = slow.look()
    await second.promise
    held.resolve()
    await looked
  })

  test('a cut that fails is tried again until it has worked', async () => {
    failing = true
    stand.chain.set({ holder: next })
    await watch.look()
    assert.match(stand.lines.join(), /could not be cut; tried again/)
    failing = false
    await watch.look()
    assert.deepEqual(cuts, ['42/1'])
  })

  test('nothing is cut while the chain is not known, and it is afterwards', async () => {
    stale = true
    stand.chain.set({ holder: next })
    await watch.look()
    assert.deepEqual(cuts, [])
    stale = false
    await watch.look()
    assert.deepEqual(cuts, ['42/1'])
  })

  test('a transfer while the daemon was down is cut and told after its start', async () => {
    stand.chain.set({ holder: next })
    const restarted = await open()
    restarted.start()
    await restarted.look()
    assert.deepEqual(cuts, ['42/1'])
    assert.equal(restarted.formerHolder(vm, next), former)
    await restarted.stop()
  })

  test('a new block wakes the watch by itself', async () => {
    watch.start()
    const cut = Promise.withResolvers<void>()
    const push = cuts.push.bind(cuts)
    cuts.push = (...items) => {
      cut.resolve()
      return push(...items)
    }
    stand.chain.set({ holder: next })
    await cut.promise
    await watch.stop()
  })

  test('L5 the new holder learns who was root; also the one who sold it and bought it back', async () => {
    stand.chain.set({ holder: next })
    assert.equal(watch.formerHolder(vm, next), former, 'before the next look')
    await watch.look()
    assert.equal(watch.formerHolder(vm, next), former)
    stand.chain.set({ holder: former })
    await watch.look()
    assert.equal(watch.formerHolder(vm, former), next)
  })

  test('keep is remembered for this holder and generation, over a restart, and for nobody else', async () => {
    stand.chain.set({ holder: next })
    await assert.rejects(watch.keep(vm, next), { code: 'pass-not-confirmed' })
    await watch.look()
    await assert.rejects(watch.keep(vm, former), { code: 'pass-not-confirmed' })
    await watch.keep(vm, next)
    await watch.keep(vm, next)
    assert.equal(watch.formerHolder(vm, next), null)
    const restarted = await open()
    assert.equal(restarted.formerHolder(vm, next), null)
    stand.chain.set({ holder: former })
    await restarted.look()
    assert.equal(restarted.formerHolder(vm, former), next)
  })

  test('a reinstall makes it the holder’s own', async () => {
    stand.chain.set({ holder: next })
    await watch.look()
    vm = { ...vm, generation: 2 }
    assert.equal(watch.formerHolder(vm, next), null)
    await watch.look()
    assert.equal(watch.formerHolder(vm, next), null)
    await assert.rejects(watch.keep({ ...vm, generation: 3 }, next), { code: 'vm-unknown' })
  })

  test('a pass that moves before its VM was delivered leaves no former root', async () => {
    const fresh = await openStore(':memory:', { clock: stand.clock })
    await stand.store.close()
    Object.assign(stand, { store: fresh })
    stand.chain.set({ state: 'pending', activatedAt: 0 })
    watch = await open()
    await watch.look()
    stand.chain.set({ state: 'pending', activatedAt: 0, holder: next })
    await watch.look()
    stand.chain.set({ holder: next })
    await watch.look()
    assert.equal(watch.formerHolder(vm, next), null)
    assert.deepEqual(cuts, [])
  })
})
