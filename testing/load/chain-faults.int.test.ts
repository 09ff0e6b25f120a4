import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach } from 'node:test'
import type { SentinelName } from '@freehold/appliance/chain/rpc-front'
import { day } from '@freehold/appliance/chain/test-chain'
import { reliability } from '@freehold/appliance/dev/reliability'
import { startChainStand, type ChainStand, type Host } from './host-stand.ts'

let s: ChainStand
let state: unknown
let hosts: Host[] = []
let number = 0

before(async () => {
  s = await startChainStand()
})
after(() => s.close())
beforeEach(async () => {
  state = await s.chain.rpc('evm_snapshot')
  // never back: what was reverted took the chain's time with it, not the hosts'
  await s.chain.rpc('evm_setNextBlockTimestamp', s.clock.now() + 1)
  await s.chain.mine(3)
})
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.stop()
  await s.chain.rpc('evm_revert', state)
})

async function start(options: Parameters<ChainStand['host']>[1] = {}, name = `host-${(number += 1)}`): Promise<Host> {
  const host = await s.host(name, options)
  hosts.push(host)
  return host
}

/** Buys, waits until it is delivered and leaves something on the disk. */
async function delivered(host: Host, buyer = s.chain.alice): Promise<bigint> {
  const id = await s.chain.buy(buyer)
  await host.until('the activation', async () => (await s.stateOf(id)) === 'active')
  await host.reconciler.settled()
  const vm = (await host.hypervisor.list()).find((r) => r.key.tokenId === id)
  assert.ok(vm)
  host.hypervisor.guest(vm.key).write('my data')
  await s.chain.mine(3)
  await host.rest()
  return id
}

async function standsAsPaid(host: Host, id: bigint): Promise<void> {
  const vm = (await host.hypervisor.list()).find((r) => r.key.tokenId === id)
  assert.ok(vm, 'the VM is there')
  assert.equal(vm.state, 'running')
  assert.equal(host.hypervisor.guest(vm.key).read(), 'my data')
}

const codes = async (host: Host): Promise<string[]> => (await host.issues()).map((i) => i.code)
const hashOf = async (block: number): Promise<string> =>
  ((await s.chain.rpc('eth_getBlockByNumber', `0x${block.toString(16)}`, false)) as { hash: string } | null)?.hash ?? ''

reliability('chain-reorg-above-taking-depth', 'a cancel that a reorganisation takes back took nothing', async (fault) => {
  const host = await start()
  const id = await delivered(host)
  const before = await s.chain.rpc('evm_snapshot')
  const block = await s.chain.send(s.chain.alice, 'cancel', [id])
  const hash = await hashOf(block)
  assert.equal(await s.stateOf(id), 'ended')
  await host.rest()
  await standsAsPaid(host, id)
  await s.chain.rpc('evm_revert', before)
  await s.chain.mine(4)
  fault.struck((await hashOf(block)) !== hash && (await s.stateOf(id)) === 'active')
  await host.rest()
  await standsAsPaid(host, id)
})

reliability('chain-reorg-above-giving-depth', 'a purchase that never reached the giving depth makes no VM', async (fault) => {
  const host = await start({ confirmations: 3 })
  const before = await s.chain.rpc('evm_snapshot')
  const id = await s.chain.buy(s.chain.alice)
  await host.rest()
  assert.equal(await host.state(id), undefined)
  await s.chain.rpc('evm_revert', before)
  await s.chain.mine(6)
  fault.struck((await s.stateOf(id)) === undefined)
  await host.rest()
  assert.equal(await host.state(id), undefined)
})

reliability('chain-reorg-below-both-depths', 'a delivered VM whose purchase is gone from the chain stays', async (fault) => {
  const before = await s.chain.rpc('evm_snapshot')
  const host = await start()
  const id = await delivered(host)
  await s.chain.rpc('evm_revert', before)
  await s.chain.mine(12)
  fault.struck((await s.stateOf(id)) === undefined)
  await host.rest()
  await s.pass(3 * day)
  await host.rest()
  await standsAsPaid(host, id)
  const issue = (await host.issues()).find((i) => i.code === 'vm-unaccounted')
  assert.match(issue?.effect ?? '', /No such purchase is known\./)
  assert.notEqual(issue?.remedy, '')
})

reliability(
  'chain-id-of-another-buyer',
  'an id that returns with another buyer gets a fresh disk before it is activated',
  async (fault) => {
    const before = await s.chain.rpc('evm_snapshot')
    const node = s.front.node('another-buyer')
    node.play('sentinel-broken-broadcast')
    const struck = s.front.struck('sentinel-broken-broadcast')
    const host = await start({ rpcUrls: [node.url] })
    const id = await s.chain.buy(s.chain.alice)
    const vm = async () => (await host.hypervisor.list()).find((r) => r.key.tokenId === id)
    await host.until('a VM that waits for its activation', async () => (await vm())?.facts.activating === true)
    await host.until('a failed broadcast', async () => s.front.struck('sentinel-broken-broadcast') > struck)
    const first = await vm()
    assert.ok(first)
    host.hypervisor.guest(first.key).write('of the first buyer')
    await s.chain.rpc('evm_revert', before)
    assert.equal(await s.chain.buy(s.chain.bob), id)
    fault.struck(first.spec.origin.buyer !== s.chain.bob.address.toLowerCase())
    node.play()
    await host.until('the activation', async () => (await s.stateOf(id)) === 'active')
    const second = await vm()
    assert.deepEqual([second?.key.generation, second?.spec.origin.buyer], [2, s.chain.bob.address.toLowerCase()])
    assert.equal(host.hypervisor.guest({ ...first.key, generation: 2 }).read(), '')
    assert.equal(await s.nonce(), 1)
  },
)

/** Faults that begin while a VM is in use; meanwhile its time runs out and another is bought. */
const lies: readonly { row: string; name: SentinelName; title: string; nodes: 1 | 2; issue: string; words: RegExp }[] = [
  {
    row: 'chain-other-chain',
    name: 'sentinel-other-chain',
    title: 'serves another chain',
    nodes: 1,
    issue: 'chain-unreachable',
    words: /serves chain 57005, not 31337/,
  },
  {
    row: 'chain-contract-gone',
    name: 'sentinel-no-contract',
    title: 'has no code at the contract',
    nodes: 1,
    issue: 'chain-unreachable',
    words: /no code at 0x/,
  },
  {
    row: 'chain-other-contract',
    name: 'sentinel-other-contract',
    title: 'answers for another contract',
    nodes: 1,
    issue: 'not-provisioner',
    words: /names 0x0+ as provisioner/,
  },
  {
    row: 'chain-old-head',
    name: 'sentinel-old-head',
    title: 'is far behind and claims not to be',
    nodes: 1,
    issue: 'vm-unaccounted',
    words: /sure|known/,
  },
  {
    row: 'chain-lies-ended',
    name: 'sentinel-all-ended',
    title: 'tells all subscriptions as ended',
    nodes: 2,
    issue: 'vm-unaccounted',
    words: /no sure answer/,
  },
  {
    row: 'chain-disagree',
    name: 'sentinel-other-history',
    title: 'names another history than the second',
    nodes: 2,
    issue: 'chain-unreachable',
    words: /different blocks/,
  },
  { row: 'chain-down', name: 'sentinel-down', title: 'is down', nodes: 1, issue: 'chain-unreachable', words: /No usable answer/ },
  {
    row: 'chain-garbage',
    name: 'sentinel-garbage',
    title: 'answers with a page of HTML',
    nodes: 1,
    issue: 'chain-unreachable',
    words: /No usable answer/,
  },
  {
    row: 'chain-cut-answers',
    name: 'sentinel-cut',
    title: 'breaks off its answers',
    nodes: 1,
    issue: 'chain-unreachable',
    words: /No usable answer/,
  },
  {
    row: 'chain-rate-limit',
    name: 'sentinel-rate-limit',
    title: 'allows no more requests (HTTP 429)',
    nodes: 1,
    issue: 'chain-unreachable',
    words: /No usable answer/,
  },
  {
    row: 'chain-silent',
    name: 'sentinel-timeout',
    title: 'never answers',
    nodes: 1,
    issue: 'chain-unreachable',
    words: /No usable answer/,
  },
]

for (const { row, name, title, nodes, issue, words } of lies) {
  reliability(row, `a node that ${title}: nothing is taken, nothing sent, and the operator reads why`, async (fault) => {
    const node = s.front.node(row)
    // so far behind that the contract stands already
    if (name === 'sentinel-old-head') await s.chain.mine(120)
    const host = await start({ rpcUrls: nodes === 1 ? [node.url] : [node.url, s.front.url()] })
    const id = await delivered(host)
    const [sent, struck] = [await s.nonce(), s.front.struck(name)]
    node.play(name)
    // a block that was read before is not asked for again
    await s.chain.mine(4)
    await host.rest()
    const found = (await host.issues()).find((i) => i.code === issue)
    assert.match(found?.effect ?? `only ${(await codes(host)).join()}`, words)
    assert.notEqual(found?.remedy, '')
    // past the day that was paid, within the day of grace: a shutdown and a delivery are due
    await s.pass(1.5 * day)
    const second = await s.chain.buy(s.chain.bob)
    await s.chain.mine(4)
    const before = s.front.struck(name)
    await host.rest()
    await host.rest()
    fault.struck(before - struck)
    fault.struck(s.front.struck(name) - before)
    await standsAsPaid(host, id)
    assert.deepEqual([await s.stateOf(id), await s.stateOf(second), await s.nonce()], ['active', 'pending', sent])
    // it heals by itself
    node.play()
    await s.chain.mine(1)
    await host.until('the shutdown that was due', async () => (await host.state(id)) === 'stopped')
    await host.until('the delivery that was due', async () => (await s.stateOf(second)) === 'active')
    await host.rest()
    assert.deepEqual([await host.state(second), await s.nonce()], ['running', sent + 1])
    assert.equal((await codes(host)).includes(issue), false)
  })
}

reliability('chain-stale', 'a node that stopped following: what expired meanwhile is not taken', async (fault) => {
  const node = s.front.node('stale')
  const host = await start({ rpcUrls: [node.url] })
  const id = await delivered(host)
  const struck = s.front.struck('sentinel-stale')
  node.play('sentinel-stale')
  await host.rest()
  await s.pass(4 * day)
  await host.rest()
  fault.struck(s.front.struck('sentinel-stale') - struck)
  await standsAsPaid(host, id)
  const issue = (await host.issues()).find((i) => i.code === 'rpc-stale')
  assert.match(issue?.effect ?? '', /minutes old\..*Nothing is taken away/)
  node.play()
  await host.until('the shutdown that was due', async () => (await host.state(id)) === 'stopped')
})

reliability('chain-standing', 'a chain that stands still takes nothing, whatever our own clock says', async (fault) => {
  const host = await start({ rpcUrls: [s.chain.url, s.front.url()] })
  const id = await delivered(host)
  s.clock.advance(4 * day)
  await host.rest()
  const issues = await host.issues()
  fault.struck(issues.filter((i) => i.code === 'rpc-stale'))
  await standsAsPaid(host, id)
  assert.equal(await s.stateOf(id), 'active')
})

/** Faults under which a purchase is delivered all the same. */
const borne: readonly { row: string; names: SentinelName[]; title: string; second?: true }[] = [
  { row: 'chain-no-logs', names: ['sentinel-empty-logs'], title: 'a node that finds no logs' },
  { row: 'chain-busy', names: ['sentinel-busy'], title: 'a node that refuses every second call (-32005)' },
  { row: 'chain-slow', names: ['sentinel-slow'], title: 'a slow node beside another', second: true },
  { row: 'chain-cut-answers', names: ['sentinel-cut'], title: 'a node that breaks off, beside another', second: true },
  { row: 'tx-lost-receipt', names: ['sentinel-lost-receipts'], title: 'a node that knows no receipts' },
]
for (const { row, names, title, second } of borne) {
  reliability(row, `${title}: the purchase is delivered, once`, async (fault) => {
    const [name] = names
    assert.ok(name)
    const struck = s.front.struck(name)
    const host = await start({ rpcUrls: [s.front.url(...names), ...(second ? [s.front.url()] : [])] })
    const id = await delivered(host)
    // logs are read beside the loop
    await host.until('the fault', async () => s.front.struck(name) > struck)
    fault.struck(s.front.struck(name) - struck)
    await standsAsPaid(host, id)
    assert.equal(await s.nonce(), 1)
  })
}

reliability('tx-dropped', 'a broadcast that the node forgot is sent again: one activation', async (fault) => {
  const node = s.front.node('dropped')
  const struck = s.front.struck('sentinel-swallow')
  node.play('sentinel-swallow')
  const host = await start({ rpcUrls: [node.url] })
  const id = await s.chain.buy(s.chain.alice)
  await host.until('a swallowed broadcast', async () => s.front.struck('sentinel-swallow') > struck)
  fault.struck(s.front.struck('sentinel-swallow') - struck)
  assert.equal(await s.stateOf(id), 'pending')
  node.play()
  await host.until('the activation', async () => (await s.stateOf(id)) === 'active')
  assert.equal(await s.nonce(), 1)
})

reliability(
  'tx-lost-receipt',
  'the daemon ends while the receipt of activate is lost: nothing is undone, nothing sent twice',
  async (fault) => {
    const node = s.front.node('undo')
    const struck = s.front.struck('sentinel-lost-receipts')
    node.play('sentinel-lost-receipts')
    const first = await start({ rpcUrls: [node.url] }, 'undo')
    const id = await s.chain.buy(s.chain.alice)
    await first.until('the activation', async () => (await s.stateOf(id)) === 'active')
    await first.until('a lost receipt', async () => s.front.struck('sentinel-lost-receipts') > struck)
    fault.struck(s.front.struck('sentinel-lost-receipts') - struck)
    await first.stop()
    // so near to the deadline for activation that a purchase not delivered would be given back
    await s.pass(50 * 60)
    const second = await start({ rpcUrls: [node.url] }, 'undo')
    await second.rest()
    await s.chain.mine(3)
    await second.rest()
    const vm = (await second.hypervisor.list()).find((r) => r.key.tokenId === id)
    assert.deepEqual([vm?.state, vm?.key.generation, await s.nonce(), await s.stateOf(id)], ['running', 1, 1, 'active'])
  },
)

reliability(
  'tx-no-funds',
  'a provisioner without funds delivers nothing, says so, and goes on once it has some',
  async (fault) => {
    await s.chain.rpc('anvil_setBalance', s.key, '0x0')
    const host = await start()
    const id = await s.chain.buy(s.chain.alice)
    await host.until('the failure', async () => host.reconciler.status().issues.some((i) => i.code === 'purchase-waiting'))
    fault.struck(BigInt(String(await s.chain.rpc('eth_getBalance', s.key, 'latest'))) === 0n)
    assert.deepEqual([await s.stateOf(id), await s.nonce()], ['pending', 0])
    const issues = await host.issues()
    assert.match(issues.find((i) => i.code === 'provisioner-balance-low')?.remedy ?? '', /Send funds/)
    assert.match(issues.find((i) => i.code === 'purchase-waiting')?.effect ?? '', /wei/)
    await s.chain.rpc('anvil_setBalance', s.key, '0xde0b6b3a7640000')
    await host.until('the activation', async () => (await s.stateOf(id)) === 'active')
  },
)

reliability(
  'chain-invented-balances',
  'a node that invents a balance: no loss, and the operator reads what the purchase waits for',
  async (fault) => {
    await s.chain.rpc('anvil_setBalance', s.key, '0x0')
    const struck = s.front.struck('sentinel-invented-balances')
    const host = await start({ rpcUrls: [s.front.url('sentinel-invented-balances')] })
    const id = await s.chain.buy(s.chain.alice)
    await host.until('the failure', async () => host.reconciler.status().issues.some((i) => i.code === 'purchase-waiting'))
    fault.struck(s.front.struck('sentinel-invented-balances') - struck)
    assert.deepEqual([await s.stateOf(id), await s.nonce()], ['pending', 0])
    await s.chain.rpc('anvil_setBalance', s.key, '0xde0b6b3a7640000')
    await host.until('the activation', async () => (await s.stateOf(id)) === 'active')
  },
)

reliability(
  'tx-fee-spike',
  'above the cap nothing is sent; the purchase waits, the operator reads why, and it goes on after the spike',
  async (fault) => {
    const node = s.front.node('spike')
    const struck = s.front.struck('sentinel-fee-spike')
    await s.chain.rpc('anvil_setNextBlockBaseFeePerGas', '0x3b9aca00')
    await s.chain.mine(1)
    node.play('sentinel-fee-spike')
    const host = await start({ rpcUrls: [node.url], maxFeePerTransactionWei: 10n ** 15n })
    const id = await s.chain.buy(s.chain.alice)
    await host.until('the failure', async () => host.reconciler.status().issues.some((i) => i.code === 'purchase-waiting'))
    fault.struck(s.front.struck('sentinel-fee-spike') - struck)
    assert.deepEqual([await s.stateOf(id), await s.nonce()], ['pending', 0])
    assert.match(
      (await host.issues()).find((i) => i.code === 'purchase-waiting')?.effect ?? '',
      /more than the limit of one transaction/,
    )
    node.play()
    await host.until('the activation', async () => (await s.stateOf(id)) === 'active')
    assert.equal(await s.nonce(), 1)
  },
)
