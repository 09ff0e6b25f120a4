import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach } from 'node:test'
import { Transaction } from 'ethers'
import { reliability } from '../dev/reliability.ts'
import { createClients } from './any-client.ts'
import { startProvisionerStand, type ProvisionerStand } from './provisioner-stand.ts'

let s: ProvisionerStand

before(async () => {
  s = await startProvisionerStand()
})
after(() => s.close())
beforeEach(() => s.begin())
afterEach(() => s.end())

const lowercase = (address: string | null): string => address?.toLowerCase() ?? ''

reliability(
  'tx-nonce-left-open',
  'a signed transaction whose broadcast failed is sent again by whoever waits behind it',
  async (fault) => {
    const [first, second] = [await s.chain.buy(s.chain.alice), await s.chain.buy(s.chain.alice)]
    const node = s.front.node('left-open')
    const provisioner = s.provisioner(node.url)
    const before = s.front.struck('sentinel-broken-broadcast')
    node.play('sentinel-broken-broadcast')
    await assert.rejects(provisioner.activate(first), { code: 'rpc-refused' })
    fault.struck(s.front.struck('sentinel-broken-broadcast') - before)
    node.play()
    // nobody asks for the first one again
    const outcome = await provisioner.activate(second)
    assert.equal(outcome.state, 'mined')
    assert.deepEqual([await s.stateOf(first), await s.stateOf(second), await s.nonce()], ['active', 'active', 2])
    assert.deepEqual(
      (await s.rows()).map(({ state }) => state),
      ['mined', 'mined'],
    )
  },
)

reliability(
  'tx-nonce-left-open',
  'what is not wanted any more gives its nonce to an empty transaction, and is never sent',
  async (fault) => {
    const id = await s.chain.buy(s.chain.alice)
    const node = s.front.node('superseded')
    const provisioner = s.provisioner(node.url)
    const before = s.front.struck('sentinel-broken-broadcast')
    node.play('sentinel-broken-broadcast')
    await assert.rejects(provisioner.activate(id), { code: 'rpc-refused' })
    fault.struck(s.front.struck('sentinel-broken-broadcast') - before)
    node.play()
    assert.equal((await provisioner.reject(id)).state, 'mined')
    assert.deepEqual([await s.stateOf(id), await s.nonce()], ['ended', 2])
    const given = (await s.rows()).find(({ verb }) => verb === 'activate')
    assert.deepEqual([given?.state, given?.reason], ['refused', 'given up: an empty transaction took its place'])
    const empty = Transaction.from(given?.forms.at(-1)?.raw)
    assert.deepEqual([lowercase(empty.to), empty.data, empty.value], [s.key.address.toLowerCase(), '0x', 0n])
  },
)

reliability('tx-nonce-left-open', 'one that the contract would refuse by now is emptied', async (fault) => {
  const [first, second] = [await s.chain.buy(s.chain.alice), await s.chain.buy(s.chain.bob)]
  const node = s.front.node('refused-by-now')
  const provisioner = s.provisioner(node.url)
  const before = s.front.struck('sentinel-broken-broadcast')
  node.play('sentinel-broken-broadcast')
  await assert.rejects(provisioner.activate(first), { code: 'rpc-refused' })
  fault.struck(s.front.struck('sentinel-broken-broadcast') - before)
  node.play()
  await s.chain.advance(3601)
  assert.equal((await provisioner.reject(second)).state, 'mined')
  assert.deepEqual([await s.stateOf(first), await s.stateOf(second), await s.nonce()], ['pending', 'ended', 2])
})

reliability('tx-nonce-left-open', 'a reorganisation takes a mined one away: the next puts it back first', async (fault) => {
  const [first, second] = [await s.chain.buy(s.chain.alice), await s.chain.buy(s.chain.bob)]
  const before = await s.chain.rpc('evm_snapshot')
  const provisioner = s.provisioner(s.chain.url)
  assert.equal((await provisioner.activate(first)).state, 'mined')
  await s.chain.rpc('evm_setAutomine', false)
  const waiting = provisioner.activate(second)
  await s.until('the second in the pool', async () => (await s.pooled()) === 1)
  await s.chain.rpc('evm_revert', before)
  assert.equal(await s.nonce(), 0)
  fault.struck((await s.stateOf(first)) === 'pending')
  await s.until('both in a block', async () => {
    await s.chain.mine(1)
    return (await s.nonce()) === 2
  })
  assert.equal((await waiting).state, 'mined')
  assert.deepEqual([await s.stateOf(first), await s.stateOf(second), await s.nonce()], ['active', 'active', 2])
})

reliability(
  'tx-lagging-node',
  'the first of two nodes stays behind: each is activated once, under a nonce of its own',
  async (fault) => {
    const ids = [await s.chain.buy(s.chain.alice), await s.chain.buy(s.chain.bob), await s.chain.buy(s.chain.alice)]
    const before = s.front.struck('sentinel-lagging-account')
    const clients = createClients([s.front.url('sentinel-lagging-account'), s.chain.url])
    const provisioner = s.provisioner(s.chain.url, { clients })
    for (const id of ids) assert.equal((await provisioner.activate(id)).state, 'mined')
    fault.struck(s.front.struck('sentinel-lagging-account') - before)
    assert.deepEqual(await Promise.all(ids.map((id) => s.stateOf(id))), ['active', 'active', 'active'])
    assert.equal(await s.nonce(), 3)
    assert.deepEqual((await s.rows()).map(({ nonce, state }) => `${nonce} ${state}`).sort(), ['0 mined', '1 mined', '2 mined'])
  },
)

reliability(
  'tx-fee-spike',
  'an underpriced form whose replacement the contract would refuse gives way to an empty one',
  async (fault) => {
    const [first, second] = [await s.chain.buy(s.chain.alice), await s.chain.buy(s.chain.bob)]
    await s.chain.rpc('evm_setAutomine', false)
    const provisioner = s.provisioner(s.chain.url)
    const job = provisioner.activate(first)
    await s.until('it in the pool', async () => (await s.pooled()) === 1)
    const limit = Transaction.from((await s.rows())[0]?.forms[0]?.raw).maxFeePerGas ?? 0n
    // the deadline passes while the network asks more than was signed
    await s.chain.rpc('evm_increaseTime', 3601)
    for (let i = 0; i < 3; i += 1) {
      await s.chain.rpc('anvil_setNextBlockBaseFeePerGas', `0x${(limit * 2n).toString(16)}`)
      await s.chain.mine(1)
    }
    await s.until('an empty form', async () => ((await s.rows())[0]?.forms.length ?? 0) >= 2)
    fault.struck((await s.rows())[0]?.forms.length)
    await s.chain.rpc('evm_setAutomine', true)
    await s.chain.mine(1)
    assert.deepEqual(await job, { state: 'refused', reason: 'given up: an empty transaction took its place' })
    assert.equal((await provisioner.reject(second)).state, 'mined')
    assert.deepEqual([await s.stateOf(first), await s.nonce()], ['pending', 2])
  },
)
