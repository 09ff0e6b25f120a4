import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { Transaction } from 'ethers'
import { systemClock } from '../clock/clock.ts'
import { reliability } from '../dev/reliability.ts'
import { openStore, type Store } from '../store/store.ts'
import { createClients } from './any-client.ts'
import { createChainReader } from './chain-reader.ts'
import { createProvisioner, type ProvisionerOptions, type RunningProvisioner } from './provisioner.ts'
import { loadOrCreateKey, type ProvisionerKey } from './provisioner-key.ts'
import { startRpcFront, type RpcFront } from './rpc-front.ts'
import { day, startTestChain, type TestChain } from './test-chain.ts'

let folder: string
let key: ProvisionerKey
let chain: TestChain
let front: RpcFront
let store: Store
let open: RunningProvisioner[]
let state: unknown

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-provisioner-'))
  key = await loadOrCreateKey(join(folder, 'key'))
  chain = await startTestChain(key.address)
  front = await startRpcFront(chain.url)
})
after(async () => {
  await front.close()
  await chain.close()
  await rm(folder, { recursive: true })
})
beforeEach(async () => {
  state = await chain.rpc('evm_snapshot')
  store = await openStore(':memory:', { clock: systemClock })
  open = []
})
afterEach(async () => {
  for (const provisioner of open) await provisioner.close()
  await store.close()
  await chain.rpc('evm_setAutomine', true)
  await chain.rpc('evm_revert', state)
})

function provisionerAt(url: string, options: Partial<ProvisionerOptions> & { store?: Store; contract?: string } = {}) {
  const clients = createClients([url])
  const contract = options.contract ?? chain.contract
  const reader = createChainReader({ clients, chainId: 31337, contract, confirmations: 1, clock: systemClock })
  const provisioner = createProvisioner({
    clients,
    reader,
    key,
    transactions: (options.store ?? store).transactions,
    clock: systemClock,
    maxFeePerTransactionWei: 10n ** 17n,
    maxFeePerDayWei: 10n ** 18n,
    pollMs: 20,
    ...options,
  })
  open.push(provisioner)
  return provisioner
}

const nonce = async (): Promise<number> => Number(await chain.rpc('eth_getTransactionCount', key.address, 'latest'))
const pooled = async (): Promise<number> =>
  Number(await chain.rpc('eth_getTransactionCount', key.address, 'pending')) - (await nonce())
async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('waited in vain')
    await systemClock.wait(20)
  }
}
async function stateOf(tokenId: bigint) {
  const reader = createChainReader({
    clients: createClients([chain.url]),
    chainId: 31337,
    contract: chain.contract,
    confirmations: 1,
    clock: systemClock,
  })
  return (await reader.subscription(tokenId, (await reader.heads()).latest))?.state
}
const rows = () => store.transactions.recent(10)

describe('denials', () => {
  test('denies to send on another chain, and signs nothing', async () => {
    await chain.buy(chain.alice)
    await assert.rejects(provisionerAt(front.url('sentinel-other-chain')).activate(1n), { code: 'wrong-chain' })
    assert.deepEqual(await rows(), [])
  })

  test('denies without a contract, or without a node', async () => {
    await assert.rejects(provisionerAt(chain.url, { contract: chain.bob.address }).activate(1n), { code: 'contract-missing' })
    await assert.rejects(provisionerAt(front.url('sentinel-down')).activate(1n), { code: 'rpc-unreachable' })
  })

  test('denies with no funds, and goes on once there are some', async () => {
    const id = await chain.buy(chain.alice)
    await chain.rpc('anvil_setBalance', key.address, '0x1')
    const provisioner = provisionerAt(chain.url)
    assert.equal(await provisioner.balance(), 1n)
    await assert.rejects(provisioner.activate(id), { code: 'no-funds' })
    await chain.rpc('anvil_setBalance', key.address, '0xde0b6b3a7640000')
    const outcome = await provisioner.activate(id)
    assert.equal(outcome.state, 'mined')
    assert.equal((await rows()).length, 1, 'the same intent was resumed')
  })

  test('denies above the cap of a transaction', async () => {
    const id = await chain.buy(chain.alice)
    await assert.rejects(provisionerAt(chain.url, { maxFeePerTransactionWei: 1000n }).activate(id), { code: 'fee-cap' })
    assert.equal(await stateOf(id), 'pending')
  })

  test('denies above the cap of a day, counting what was sent before a restart', async () => {
    const [first, second] = [await chain.buy(chain.alice), await chain.buy(chain.alice)]
    await provisionerAt(chain.url).activate(first)
    const [row] = await rows()
    assert.ok(row !== undefined && row.feeSpent > 0n)
    await assert.rejects(provisionerAt(chain.url, { maxFeePerDayWei: row.feeSpent + 1000n }).activate(second), {
      code: 'fee-cap',
    })
    assert.equal(await stateOf(second), 'pending')
  })

  test('tells the name of the contract error when it would refuse', async () => {
    const id = await chain.buy(chain.alice)
    const provisioner = provisionerAt(chain.url)
    assert.deepEqual(await provisioner.end(id), { state: 'refused', reason: 'WrongState' })
    await provisioner.activate(id)
    assert.deepEqual(await provisioner.end(id), { state: 'refused', reason: 'GraceNotOver' })
    assert.deepEqual(await provisioner.activate(1000n), { state: 'refused', reason: 'never sold' })
    assert.equal(await nonce(), 1)
  })

  test('denies when another key is the provisioner', async () => {
    const id = await chain.buy(chain.alice)
    await chain.send(chain.owner, 'setProvisioner', [chain.bob.address])
    assert.deepEqual(await provisionerAt(chain.url).activate(id), { state: 'refused', reason: 'NotProvisioner' })
  })

  test('denies to activate after the deadline', async () => {
    const id = await chain.buy(chain.alice)
    await chain.advance(3601)
    assert.deepEqual(await provisionerAt(chain.url).activate(id), { state: 'refused', reason: 'DeadlinePassed' })
  })
})

describe('once and only once', () => {
  test('two callers and a repeat share one transaction', async () => {
    const id = await chain.buy(chain.alice)
    const provisioner = provisionerAt(chain.url)
    const [a, b] = await Promise.all([provisioner.activate(id), provisioner.activate(id)])
    assert.deepEqual(a, b)
    assert.deepEqual(await provisioner.activate(id), a)
    assert.equal(await nonce(), 1)
  })

  test('an activation by others is noticed before anything is signed', async () => {
    const id = await chain.buy(chain.alice)
    await provisionerAt(chain.url).activate(id)
    const other = await openStore(':memory:', { clock: systemClock })
    assert.deepEqual(await provisionerAt(chain.url, { store: other }).activate(id), {
      state: 'refused',
      reason: 'already active',
    })
    assert.equal(await nonce(), 1)
    await other.close()
  })

  test('many verbs at once get nonces without gap or double', async () => {
    const ids: bigint[] = []
    for (let i = 0; i < 6; i += 1) ids.push(await chain.buy(chain.alice))
    const provisioner = provisionerAt(chain.url)
    const outcomes = await Promise.all(ids.map((id, i) => (i % 2 === 0 ? provisioner.activate(id) : provisioner.reject(id))))
    assert.deepEqual(
      outcomes.map((o) => o.state === 'mined' && o.succeeded),
      ids.map(() => true),
    )
    assert.equal(await nonce(), 6)
  })

  test('killed between signature and broadcast: the next life sends the same transaction', async () => {
    const id = await chain.buy(chain.alice)
    assert.equal(id, 1n)
    const database = join(folder, 'killed.db')
    const child = spawn(
      process.execPath,
      [
        join(import.meta.dirname, 'crash-child.ts'),
        front.url('sentinel-no-broadcast'),
        chain.contract,
        join(folder, 'key'),
        database,
      ],
      { stdio: 'ignore' },
    )
    const before = front.asked('eth_sendRawTransaction')
    await until(() => Promise.resolve(front.asked('eth_sendRawTransaction') > before))
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('exit', resolve))
    assert.equal(await stateOf(id), 'pending')
    const second = await openStore(database, { clock: systemClock })
    const [row] = await second.transactions.recent(10)
    assert.equal(row?.state, 'signed', 'persisted before the broadcast')
    const provisioner = provisionerAt(chain.url, { store: second })
    await provisioner.resume()
    const outcome = await provisioner.activate(id)
    assert.deepEqual([outcome.state, 'hash' in outcome && outcome.hash], ['mined', row.forms[0]?.hash])
    assert.equal(await nonce(), 1)
    await provisioner.close()
    await second.close()
  })

  test('killed after the intent, before a signature: the next life sends one transaction', async () => {
    const id = await chain.buy(chain.alice)
    const first = provisionerAt(chain.url, { maxFeePerTransactionWei: 1n })
    await assert.rejects(first.activate(id), { code: 'fee-cap' })
    assert.equal((await rows())[0]?.state, 'intended')
    const next = provisionerAt(chain.url)
    await next.resume()
    await until(async () => (await stateOf(id)) === 'active')
    assert.equal((await next.activate(id)).state, 'mined')
    assert.deepEqual([(await rows()).length, await nonce()], [1, 1])
  })

  test('a transaction that the pool forgot is sent again as it was', async () => {
    const id = await chain.buy(chain.alice)
    await chain.rpc('evm_setAutomine', false)
    const job = provisionerAt(chain.url).activate(id)
    await until(async () => (await pooled()) === 1)
    const [row] = await rows()
    await chain.rpc('anvil_dropTransaction', row?.forms[0]?.hash)
    await until(async () => (await pooled()) === 1)
    await chain.mine(1)
    const outcome = await job
    assert.deepEqual([outcome.state, 'hash' in outcome && outcome.hash], ['mined', row?.forms[0]?.hash])
  })

  reliability(
    'tx-not-mined',
    'a transaction that is not mined is replaced with higher fees under the same nonce',
    async (fault) => {
      const id = await chain.buy(chain.alice)
      await chain.rpc('evm_setAutomine', false)
      const job = provisionerAt(chain.url).activate(id)
      await until(async () => (await pooled()) === 1)
      // the base fee rises above what was signed: the first form cannot be mined
      const [first] = (await rows())[0]?.forms ?? []
      const limit = Transaction.from(first?.raw).maxFeePerGas ?? 0n
      for (let i = 0; i < 3; i += 1) {
        await chain.rpc('anvil_setNextBlockBaseFeePerGas', `0x${(limit * 2n).toString(16)}`)
        await chain.mine(1)
      }
      await until(async () => ((await rows())[0]?.forms.length ?? 0) >= 2)
      const [row] = await rows()
      const second = row?.forms[1]
      fault.struck(first !== undefined && second !== undefined && second.hash !== first.hash)
      const [a, b] = [Transaction.from(first?.raw), Transaction.from(second?.raw)]
      assert.equal(a.nonce, b.nonce)
      assert.ok((b.maxFeePerGas ?? 0n) >= (limit * 1125n) / 1000n)
      assert.ok((b.maxPriorityFeePerGas ?? 0n) >= ((a.maxPriorityFeePerGas ?? 0n) * 1125n) / 1000n)
      await until(async () => {
        await chain.mine(1)
        return (await stateOf(id)) === 'active'
      })
      const outcome = await job
      assert.equal(outcome.state, 'mined')
      assert.equal(await nonce(), 1)
    },
  )

  reliability('tx-nonce-taken', 'a nonce that another program used: the lost one is begun anew, once', async (fault) => {
    const id = await chain.buy(chain.alice)
    const job = provisionerAt(front.url('sentinel-swallow')).activate(id)
    await until(async () => (await rows())[0]?.state === 'signed')
    const foreign = await key.sign({
      type: 2,
      chainId: 31337,
      nonce: 0,
      to: chain.bob.address,
      value: 1n,
      gasLimit: 21_000n,
      maxFeePerGas: 10n ** 10n,
      maxPriorityFeePerGas: 10n ** 9n,
    })
    await chain.rpc('eth_sendRawTransaction', foreign)
    await until(async () => (await rows()).some(({ state: s }) => s === 'lost'))
    fault.struck((await nonce()) === 1 && (await stateOf(id)) === 'pending')
    for (const provisioner of open) await provisioner.close()
    await assert.rejects(job, { code: 'rpc-unreachable' })
    const outcome = await provisionerAt(chain.url).activate(id)
    assert.equal(outcome.state, 'mined')
    assert.equal(await stateOf(id), 'active')
    assert.equal(await nonce(), 2)
  })

  test('a lost receipt: the contract itself shows that it was done', async () => {
    const id = await chain.buy(chain.alice)
    const outcome = await provisionerAt(front.url('sentinel-lost-receipts')).activate(id)
    assert.deepEqual([outcome.state, await nonce()], ['mined', 1])
  })

  test('who waits may go; the transaction stays on its way', async () => {
    const id = await chain.buy(chain.alice)
    await chain.rpc('evm_setAutomine', false)
    const provisioner = provisionerAt(chain.url)
    const patience = new AbortController()
    const waiting = provisioner.activate(id, patience.signal)
    await until(async () => (await pooled()) === 1)
    patience.abort()
    assert.equal((await waiting).state, 'pending')
    await chain.mine(1)
    assert.equal((await provisioner.activate(id)).state, 'mined')
  })

  test('a reorganisation that undoes an activation: it is sent again', async () => {
    const id = await chain.buy(chain.alice)
    const before = await chain.rpc('evm_snapshot')
    const provisioner = provisionerAt(chain.url)
    await provisioner.activate(id)
    await chain.rpc('evm_revert', before)
    assert.equal(await stateOf(id), 'pending')
    assert.equal((await provisioner.activate(id)).state, 'mined')
    assert.equal(await stateOf(id), 'active')
  })

  test('after the grace it ends, once', async () => {
    const id = await chain.buy(chain.alice, 3600)
    const provisioner = provisionerAt(chain.url)
    await provisioner.activate(id)
    await chain.advance(3600 + day)
    const outcome = await provisioner.end(id)
    assert.deepEqual([outcome.state, await stateOf(id)], ['mined', 'ended'])
    assert.deepEqual(await provisioner.end(id), outcome)
  })
})
