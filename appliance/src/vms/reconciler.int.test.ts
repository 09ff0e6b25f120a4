import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { createClients } from '../chain/any-client.ts'
import { createChainReader } from '../chain/chain-reader.ts'
import { vmIdOf } from '../chain/installation.ts'
import { loadOrCreateKey, type ProvisionerKey } from '../chain/provisioner-key.ts'
import { createProvisioner, type RunningProvisioner } from '../chain/provisioner.ts'
import { day, startTestChain, type TestChain } from '../chain/test-chain.ts'
import { MovableClock } from '../clock/clock.ts'
import { createFakeHypervisor } from '../hypervisor/fake/fake-hypervisor.ts'
import { madeUpTemplate } from '../hypervisor/fake/sentinels.ts'
import { openStore, type Store } from '../store/store.ts'
import { beginAction } from './operations.ts'
import { createReconciler, type Reconciler } from './reconciler.ts'
import { inventedTemplate, logInto, testPorts } from './test-ports.ts'

let folder: string
let key: ProvisionerKey
let chain: TestChain
const running = new Set<Daemon>()
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-vms-'))
  key = await loadOrCreateKey(join(folder, 'key'))
  chain = await startTestChain(key.address)
})
afterEach(async () => {
  for (const daemon of running) await daemon.stop()
})
after(async () => {
  await chain.close()
  await rm(folder, { recursive: true })
})

/** One life of the daemon's VM part: real node, real contract, real SQLite; the hypervisor alone is played. */
class Daemon {
  readonly store: Store
  readonly reconciler: Reconciler
  readonly hypervisor: ReturnType<typeof createFakeHypervisor>
  readonly lines: string[]
  readonly #provisioner: RunningProvisioner

  private constructor(
    store: Store,
    reconciler: Reconciler,
    hypervisor: Daemon['hypervisor'],
    provisioner: RunningProvisioner,
    lines: string[],
  ) {
    this.store = store
    this.reconciler = reconciler
    this.hypervisor = hypervisor
    this.lines = lines
    this.#provisioner = provisioner
  }

  static async start(name: string, clock: MovableClock): Promise<Daemon> {
    const store = await openStore(join(folder, `${name}.db`), { clock })
    const clients = createClients([chain.url])
    const reader = createChainReader({ clients, chainId: 31337, contract: chain.contract, confirmations: 1, clock })
    const provisioner = createProvisioner({
      clients,
      reader,
      key,
      transactions: store.transactions,
      clock,
      maxFeePerTransactionWei: 10n ** 17n,
      maxFeePerDayWei: 10n ** 18n,
      pollMs: 20,
    })
    const ports = testPorts(store, clock)
    const hypervisor = createFakeHypervisor({
      clock,
      storages: ['local'],
      createSeconds: 0.01,
      file: join(folder, `${name}.world`),
      onStart(record) {
        // the guest calls home; the guest API writes the row and wakes whoever waits
        const hostKey = { fingerprint: 'SHA256:guest', publicKey: 'ssh-ed25519 AAAA' }
        void store.vms.mark(record.key, { reportedAt: clock.now(), hostKey }).then(() => ports.reports.reported(record.key))
      },
    })
    await hypervisor.importTemplate({ path: madeUpTemplate, sha256: inventedTemplate })
    const lines: string[] = []
    const reconciler = await createReconciler({
      contracts: [{ reader, provisioner, index: 0 }],
      hypervisor,
      ...ports,
      backOff: { attempts: 1, firstSeconds: 0.2, factor: 1, longestSeconds: 0.2 },
      log: logInto(lines),
    })
    await provisioner.resume()
    await reconciler.start()
    const daemon = new Daemon(store, reconciler, hypervisor, provisioner, lines)
    running.add(daemon)
    return daemon
  }

  /** As SIGTERM does it. A second call does nothing. */
  async stop(): Promise<void> {
    if (!running.delete(this)) return
    await this.reconciler.stop()
    await this.#provisioner.close()
    await this.hypervisor.close()
    await this.store.close()
  }

  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 15_000
    while (!(await condition())) {
      if (performance.now() > deadline)
        throw new Error(`${what} never came\n${this.lines.join('\n')}\n${JSON.stringify(this.reconciler.status().issues)}`)
      this.reconciler.wake()
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async vm(tokenId: bigint) {
    return (await this.hypervisor.list()).find((r) => r.key.tokenId === tokenId)
  }

  async state(tokenId: bigint) {
    return (await this.vm(tokenId))?.state
  }
}

async function chainState(tokenId: bigint): Promise<string | undefined> {
  const reader = createChainReader({
    clients: createClients([chain.url]),
    chainId: 31337,
    contract: chain.contract,
    confirmations: 1,
    clock: new MovableClock(),
  })
  return (await reader.subscription(tokenId, (await reader.heads()).latest))?.state
}

/** Moves the daemon's clock and the chain's time, and makes the new time final. */
async function pass(clock: MovableClock, seconds: number): Promise<void> {
  clock.advance(seconds)
  await chain.advance(seconds)
  await chain.mine(3)
}

describe('the life of a subscription on a real chain', () => {
  test('bought, delivered, expired, extended, grace over, 24 h, ended, destroyed; a restart before every stage (E1)', async () => {
    const clock = new MovableClock()
    let daemon = await Daemon.start('life', clock)
    const again = async (): Promise<void> => {
      await daemon.stop()
      daemon = await Daemon.start('life', clock)
    }
    await daemon.stop()
    const id = await chain.buy(chain.alice)
    daemon = await Daemon.start('life', clock)
    await daemon.until('the activation', async () => (await chainState(id)) === 'active')
    assert.equal(await daemon.state(id), 'running')
    const made = await daemon.vm(id)
    assert.ok(made)
    daemon.hypervisor.guest(made.key).write('my data')

    await again()
    await pass(clock, day + 60)
    await daemon.until('the shutdown', async () => (await daemon.state(id)) === 'stopped')
    assert.equal((await daemon.vm(id))?.autostart, false)

    await daemon.stop()
    const price = 10n ** 15n
    await chain.send(chain.bob, 'extend', [id, day, price], price)
    daemon = await Daemon.start('life', clock)
    await daemon.until('the restart', async () => (await daemon.state(id)) === 'running')
    assert.equal(daemon.hypervisor.guest(made.key).read(), 'my data')

    await again()
    await pass(clock, 2 * day + 120)
    await daemon.until('the second shutdown', async () => (await daemon.state(id)) === 'stopped')
    const row = () => daemon.store.vms.get(made.key)
    await daemon.until('the note that the grace is over', async () => (await row())?.graceOverSeenSince !== null)
    await pass(clock, day - 60)
    await daemon.reconciler.pass()
    await daemon.reconciler.settled()
    assert.equal(await chainState(id), 'active', 'not a minute earlier')

    await again()
    await pass(clock, 61)
    await daemon.until('the end', async () => (await chainState(id)) === 'ended')
    assert.equal(await daemon.state(id), 'stopped', 'the disk stays until the end is final')
    await again()
    await chain.mine(3)
    await daemon.until('the destroy', async () => (await daemon.vm(id)) === undefined)
    await daemon.until('the release of its addresses', async () => (await daemon.store.addresses.list('ssh-port')).length === 0)
    await daemon.reconciler.settled()
    assert.deepEqual(await daemon.store.vms.list(), [])
    assert.deepEqual(
      (await daemon.store.destroys.recent(5)).map((d) => d.reason),
      ['end'],
    )
    const sent = await daemon.store.transactions.recent(10)
    assert.deepEqual(sent.map((t) => t.verb).toSorted(), ['activate', 'end'])
    await daemon.stop()
  })

  test('L2 nothing that leads to a VM is on chain: no transaction and no log of a delivery has room for it', async () => {
    const from = Number(await chain.provider.getBlockNumber())
    const clock = new MovableClock()
    const daemon = await Daemon.start('private', clock)
    const id = await chain.buy(chain.alice)
    await daemon.until('the activation', async () => (await chainState(id)) === 'active')
    const made = await daemon.vm(id)
    const row = await daemon.store.vms.get(made?.key ?? assert.fail('no VM'))
    await daemon.stop()
    // the daemons of the tests to come know nothing of this VM
    await chain.send(chain.alice, 'cancel', [id])

    const sent: string[] = []
    const called = new Set<string>()
    for (let number = from + 1; number <= (await chain.provider.getBlockNumber()); number += 1) {
      for (const hash of (await chain.provider.getBlock(number))?.transactions ?? []) {
        const transaction = await chain.provider.getTransaction(hash)
        const receipt = await chain.provider.getTransactionReceipt(hash)
        if (transaction === null || receipt === null) assert.fail(hash)
        const call = subscriptionsInterface.parseTransaction(transaction) ?? assert.fail(transaction.data)
        called.add(call.name)
        // numbers and addresses of wallets: nowhere a text could stand
        for (const { type } of call.fragment.inputs) assert.match(type, /^(uint\d+|address)$/, call.signature)
        sent.push(transaction.data, ...receipt.logs.flatMap((log) => [log.data, ...log.topics]))
      }
    }
    assert.ok(called.has('buy') && called.has('activate'), [...called].join())
    const all = sent.join(' ').toLowerCase()
    assert.ok(all.includes(chain.alice.address.slice(2).toLowerCase()), 'what is there would be found')
    const details = [
      made?.spec.addresses.ipv4,
      made?.spec.addresses.ipv6,
      row?.hostKey?.fingerprint,
      row?.hostKey?.publicKey,
      vmIdOf(made?.key ?? assert.fail()),
    ]
    const known = details.filter((one): one is string => typeof one === 'string')
    assert.ok(known.length >= 3, JSON.stringify(details))
    for (const one of known) assert.ok(!all.includes(Buffer.from(one).toString('hex')), `${one} is on chain`)
  })

  test('cancelled: destroyed once the cancel is final', async () => {
    const clock = new MovableClock(4 * day)
    await chain.mine(1)
    const daemon = await Daemon.start('cancel', clock)
    const id = await chain.buy(chain.alice)
    await daemon.until('the activation', async () => (await chainState(id)) === 'active')
    await daemon.reconciler.settled()
    await chain.send(chain.alice, 'cancel', [id])
    await daemon.reconciler.pass()
    await daemon.reconciler.settled()
    assert.equal(await daemon.state(id), 'running')
    await chain.mine(3)
    await daemon.until('the destroy', async () => (await daemon.vm(id)) === undefined)
    await daemon.reconciler.settled()
    // its database is a new one: what the chain tells of was destroyed before it, and counts too
    const reasons = (await daemon.store.destroys.recent(5)).map((d) => d.reason)
    assert.deepEqual([reasons[0], new Set(reasons.slice(1)).difference(new Set(['untold'])).size], ['cancel', 0])
    await daemon.stop()
  })

  test('persons: stop stays over a restart, snapshot, rollback, reinstall under the next generation', async () => {
    const clock = new MovableClock(4 * day)
    let daemon = await Daemon.start('persons', clock)
    const id = await chain.buy(chain.alice)
    await daemon.until('the activation', async () => (await chainState(id)) === 'active')
    const vm = await daemon.vm(id)
    assert.ok(vm)
    const done = async (action: Parameters<typeof beginAction>[2], at = vm.key): Promise<void> => {
      await daemon.reconciler.settled()
      const task = await beginAction(daemon.reconciler, at, action)
      await daemon.until(`the end of ${action}`, async () => (await daemon.store.tasks.get(task.taskId))?.state !== 'running')
      const ended = await daemon.store.tasks.get(task.taskId)
      assert.equal(ended?.state, 'done', JSON.stringify(ended?.error))
    }
    await daemon.reconciler.settled()
    await done('stop')
    await daemon.stop()
    daemon = await Daemon.start('persons', clock)
    await daemon.reconciler.pass()
    await daemon.reconciler.settled()
    assert.equal(await daemon.state(id), 'stopped')
    await done('start')
    daemon.hypervisor.guest(vm.key).write('before')
    await done('snapshot')
    daemon.hypervisor.guest(vm.key).write('after')
    await done('rollback')
    assert.equal(daemon.hypervisor.guest(vm.key).read(), 'before')
    assert.equal(await daemon.state(id), 'running')
    await done('reboot')
    assert.equal(await daemon.state(id), 'running')
    await done('reinstall')
    const fresh = await daemon.vm(id)
    assert.equal(fresh?.key.generation, 2)
    assert.deepEqual(fresh?.snapshots, [])
    assert.equal(fresh?.facts.activating, true)
    assert.equal(daemon.hypervisor.guest({ ...vm.key, generation: 2 }).read(), '')
    // L5: what people use stays, what the former generation knew or kept opens nothing
    assert.equal(fresh?.spec.mac, vm.spec.mac)
    assert.deepEqual(fresh?.spec.addresses, vm.spec.addresses)
    const row = await daemon.store.vms.get(vm.key)
    assert.deepEqual([row?.generation, row?.secretUsedAt], [2, null])
    await assert.rejects(daemon.hypervisor.rollback(vm.key, 'snapshot'), { code: 'vm-unknown' })
    await assert.rejects(daemon.hypervisor.console(vm.key), { code: 'vm-unknown' })
    await assert.rejects(daemon.hypervisor.start(vm.key), { code: 'vm-unknown' })
    assert.equal(await daemon.state(id), 'running')
    await daemon.reconciler.pass()
    assert.deepEqual(daemon.reconciler.status().issues, [])
    await assert.rejects(beginAction(daemon.reconciler, vm.key, 'stop'), { code: 'vm-unknown' })
    await daemon.stop()
  })

  test('a lost database: rebuilt from chain and hypervisor, the VM runs on', async () => {
    const clock = new MovableClock(4 * day)
    let daemon = await Daemon.start('lost', clock)
    const id = await chain.buy(chain.alice)
    await daemon.until('the activation', async () => (await chainState(id)) === 'active')
    await daemon.reconciler.settled()
    const vm = await daemon.vm(id)
    assert.ok(vm)
    const before = await daemon.store.vms.get(vm.key)
    await daemon.stop()
    for (const ending of ['', '-wal', '-shm']) await rm(join(folder, `lost.db${ending}`), { force: true })
    daemon = await Daemon.start('lost', clock)
    await daemon.until('the row', async () => (await daemon.store.vms.get(vm.key)) !== undefined)
    await daemon.reconciler.settled()
    const after = await daemon.store.vms.get(vm.key)
    assert.deepEqual(
      [after?.addresses, after?.mac, after?.origin, after?.hostKey],
      [before?.addresses, before?.mac, before?.origin, before?.hostKey],
    )
    assert.equal(await daemon.store.addresses.ownerOf('ssh-port', String(vm.spec.addresses.sshPort)), vmIdOf(vm.key))
    assert.equal(await daemon.state(id), 'running')
    await daemon.stop()
  })
})
