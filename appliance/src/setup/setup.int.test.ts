import assert from 'node:assert/strict'
import { reliability } from '../dev/reliability.ts'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import getPort from 'get-port'
import { loadOrCreateKey } from '../chain/provisioner-key.ts'
import { startTestChain, type TestChain } from '../chain/test-chain.ts'
import { systemClock } from '../clock/clock.ts'
import type { Config } from '../config/schema.ts'
import { AppError } from '../errors/app-error.ts'
import { devWallet } from '../dev/dev-wallet.ts'
import { openHypervisor } from '../hypervisor/open-hypervisor.ts'
import type { TaskRecord } from '../steps/step.ts'
import { openStore, type Store } from '../store/store.ts'
import { createSetupService, type SetupService } from './setup-service.ts'

function listening(port = 0): Promise<{ server: Server; port: number }> {
  const { promise, resolve } = Promise.withResolvers<{ server: Server; port: number }>()
  const server = createServer()
  server.listen(port, '127.0.0.1', () => {
    const address = server.address()
    resolve({ server, port: typeof address === 'object' && address !== null ? address.port : 0 })
  })
  return promise
}

suite('setup', () => {
  let chain: TestChain
  before(async () => {
    chain = await startTestChain('0x00000000000000000000000000000000000000a3')
  })
  after(async () => {
    await chain.close()
  })

  async function answers(
    changes: {
      rpc?: string
      chainId?: number
      login?: string
      storages?: string
      price?: string
      disk?: number
      contract?: string
    } = {},
  ): Promise<string> {
    return `version: 1
mode: embedded
publicChain: true
origin: http://localhost:8080
listen: { login: ${changes.login ?? `127.0.0.1:${await getPort({ host: '127.0.0.1' })}`} }
chain: { chainId: ${changes.chainId ?? 31337}, rpcUrls: ["${changes.rpc ?? chain.url}"], confirmations: 1 }
roles: { owner: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", treasury: "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC" }
plans:
  - { name: Small, vcpus: 1, memoryMiB: 512, diskGiB: ${changes.disk ?? 4}, graceDays: 7, capacity: 4, prices: { ${changes.price ?? 'native'}: "1000" } }
hypervisor: { kind: fake, createSeconds: 0, storages: [${changes.storages ?? 'local'}] }
${changes.contract === undefined ? '' : `contracts: [{ address: "${changes.contract}" }]\n`}`
  }

  interface Host {
    folder: string
    store: Store
    setup: SetupService
    opened: Config[]
    /** Runs setup to its end. */
    run(text: string): Promise<TaskRecord>
    close(): Promise<void>
  }

  async function host(
    options: { fund?: boolean; folder?: string; buildFails?: () => boolean; handOver?(folder: string): Promise<void> } = {},
  ): Promise<Host> {
    const folder = options.folder ?? (await mkdtemp('/tmp/fh-setup-'))
    const store = await openStore(join(folder, 'freehold.db'), { clock: systemClock })
    const opened: Config[] = []
    const image = join(folder, 'image')
    await writeFile(image, 'image')
    const setup = createSetupService({
      stateFolder: folder,
      clock: systemClock,
      settings: store.settings,
      tasks: store.tasks,
      hooks: () => ({
        buildTemplate: async () => {
          if (options.buildFails?.() === true) {
            throw new AppError({ code: 'process-failed', detail: 'build-template.sh failed: no space left on device' })
          }
          return { path: image, sha256: createHash('sha256').update('image').digest('hex') }
        },
        ...(options.fund !== false && {
          fund: async (address: string) => void (await chain.rpc('anvil_setBalance', address, '0x56bc75e2d63100000')),
        }),
      }),
      openHypervisor: (config) => openHypervisor({ config, stateFolder: folder, clock: systemClock }),
      listensAt: () => undefined,
      onEvent: () => undefined,
      onFailure: () => undefined,
      finished: async (config) => void opened.push(config),
      discardStorage: () => Promise.resolve(false),
      close: () => Promise.resolve(),
      handedOver: () => opened.length > 0,
      handOver: () => options.handOver?.(folder) ?? Promise.resolve(),
    })
    return {
      folder,
      store,
      setup,
      opened,
      async run(text) {
        const { taskId } = await setup.begin(text)
        for (;;) {
          const task = await store.tasks.get(taskId)
          if (task !== undefined && task.state !== 'running') return task
          await systemClock.wait(20)
        }
      },
      async close() {
        await setup.stop()
        await store.close()
        if (options.folder === undefined) await rm(folder, { recursive: true })
      },
    }
  }

  async function refused(
    text: string,
    expected: { code: string; step: string; detail: RegExp },
    options: { fund?: boolean } = {},
  ): Promise<void> {
    const one = await host(options)
    try {
      const task = await one.run(text)
      assert.equal(task.state, 'failed')
      assert.equal(task.error?.code, expected.code)
      assert.match(task.error?.detail ?? '', expected.detail)
      assert.notEqual(task.error?.hint, '')
      assert.equal(task.steps.find((s) => s.state === 'failed')?.name, expected.step)
      // nothing is open, and nothing was written that would open it
      assert.deepEqual(one.opened, [])
      await assert.rejects(readFile(join(one.folder, 'freehold.yaml')), { code: 'ENOENT' })
    } finally {
      await one.close()
    }
  }

  test('denies an RPC address where nothing answers', async () => {
    await refused(await answers({ rpc: `http://127.0.0.1:${await getPort({ host: '127.0.0.1' })}` }), {
      code: 'rpc-unreachable',
      step: 'chain',
      detail: /127\.0\.0\.1/,
    })
  })

  test('denies another network than the answers name', async () => {
    await refused(await answers({ chainId: 11155111 }), { code: 'wrong-chain', step: 'chain', detail: /31337.*11155111/ })
  })

  test('denies a port of the guests that another program has', async () => {
    const { server, port } = await listening()
    try {
      await refused(await answers({ login: `127.0.0.1:${port}` }), {
        code: 'port-in-use',
        step: 'preflight',
        detail: new RegExp(String(port)),
      })
    } finally {
      server.close()
    }
  })

  test('denies an address that is not of this host', async () => {
    await refused(await answers({ login: '203.0.113.9:7443' }), {
      code: 'no-permission',
      step: 'preflight',
      detail: /203\.0\.113\.9/,
    })
  })

  test('denies plans that are larger than the host', async () => {
    await refused(await answers({ disk: 9_000_000 }), { code: 'capacity-exceeded', step: 'plans', detail: /Small/ })
  })

  test('V2 denies a storage that does not carry its marker', async () => {
    await refused(await answers({ storages: 'sentinel-unmounted' }), {
      code: 'pool-not-mounted',
      step: 'storage',
      detail: /not to be there/,
    })
  })

  test('denies a storage without room for the guest image', async () => {
    await refused(await answers({ storages: 'sentinel-full' }), { code: 'storage-full', step: 'template', detail: /./ })
  })

  test('denies an address where no contract is, one of another contract, and one that others govern', async () => {
    const nobody = '0x00000000000000000000000000000000000000fe'
    await refused(await answers({ contract: nobody }), { code: 'contract-missing', step: 'storefront-check', detail: /00fe/ })
    await chain.rpc('anvil_setCode', nobody, '0x00')
    await refused(await answers({ contract: nobody }), { code: 'contract-missing', step: 'storefront-check', detail: /00fe/ })
    await refused(await answers({ contract: chain.contract }), {
      code: 'contract-missing',
      step: 'storefront-check',
      detail: /has owner 0x.*the answers say 0x7099/,
    })
  })

  test('a template build that fails half-way is told as it is; repeated it goes on from there', async () => {
    let fails = true
    const one = await host({ buildFails: () => fails })
    try {
      const text = await answers()
      const task = await one.run(text)
      assert.deepEqual([task.state, task.error?.code], ['failed', 'process-failed'])
      assert.equal(task.steps.find((s) => s.state === 'failed')?.name, 'template')
      assert.match(task.error?.detail ?? '', /no space left/)
      assert.notEqual(task.error?.hint, '')
      fails = false
      const again = await one.run(text)
      assert.equal(again.state, 'done')
      assert.equal(one.opened.length, 1)
    } finally {
      await one.close()
    }
  })

  test('denies other answers while setup runs by some', async () => {
    const one = await host({ fund: false })
    try {
      await one.setup.begin(await answers())
      await assert.rejects(one.setup.begin(await answers({ disk: 5 })), {
        code: 'not-in-this-state',
        detail: /by other answers/,
      })
    } finally {
      await one.close()
    }
  })

  test('L13 denies the development token where nothing offers it', async () => {
    await refused(await answers({ price: 'dev-token' }), {
      code: 'config-invalid',
      step: 'contracts',
      detail: /development chain/,
    })
  })

  test('waits for funds of the deployer and says where to; stopped, it goes on later', async () => {
    const one = await host({ fund: false })
    const text = await answers()
    const { taskId } = await one.setup.begin(text)
    const shown = async () => (await one.setup.begin(text)).taskId === taskId
    assert.ok(await shown(), 'a second call joins the first')
    await one.setup.stop()
    const task = await one.store.tasks.get(taskId)
    assert.equal(task?.state, 'interrupted')
    await one.store.close()
    const again = await host({ folder: one.folder })
    const ended = await again.run(text)
    assert.equal(ended.state, 'done')
    assert.equal(ended.taskId, taskId)
    await again.close()
    await rm(one.folder, { recursive: true })
  })

  test('M10 repeated, it deploys nothing twice; the roles are those of the answers', async () => {
    const one = await host()
    try {
      const text = await answers()
      assert.equal((await one.run(text)).state, 'done')
      const first = one.opened.at(-1)?.contracts
      assert.equal(first?.length, 1)
      // I7: what paid the deployment stays nowhere
      assert.deepEqual(await readdir(join(one.folder, 'secrets')), ['provisioner.key'])
      // as a power cut between the deployment and the last step would leave it
      await rm(join(one.folder, 'freehold.yaml'))
      assert.equal((await one.run(text)).state, 'done')
      assert.deepEqual(one.opened.at(-1)?.contracts, first)
    } finally {
      await one.close()
    }
  })

  test('what reaches the deployer after the deployment is at the provisioner before the key is erased', async () => {
    const late = 10n ** 18n
    const provisionerOf = async (folder: string) => (await loadOrCreateKey(join(folder, 'secrets/provisioner.key'))).address
    let heldBefore = 0n
    const one = await host({
      async handOver(folder) {
        const { address } = await loadOrCreateKey(join(folder, 'secrets/deployer.key'))
        const signer = await chain.provider.getSigner(devWallet(5).address)
        await (await signer.sendTransaction({ to: address, value: late })).wait()
        heldBefore = await chain.provider.getBalance(await provisionerOf(folder))
      },
    })
    try {
      assert.equal((await one.run(await answers())).state, 'done')
      const came = (await chain.provider.getBalance(await provisionerOf(one.folder))) - heldBefore
      assert.ok(came > (late * 99n) / 100n, `${came} wei came to the provisioner`)
      assert.deepEqual(await readdir(join(one.folder, 'secrets')), ['provisioner.key'])
    } finally {
      await one.close()
    }
  })

  reliability(
    'money-deploy-edited',
    'denies to open with other plans than the contract has, also where a deployment was killed and the answers edited',
    async (fault) => {
      const one = await host()
      try {
        const text = await answers()
        assert.equal((await one.run(text)).state, 'done')
        // as a power cut between the deployment and the last step would leave it
        await rm(join(one.folder, 'freehold.yaml'))
        one.opened.length = 0
        const edited = text.replace('"1000"', '"2000"').replace('diskGiB: 4', 'diskGiB: 5')
        const task = await one.run(edited)
        fault.struck(task.state === 'failed')
        assert.equal(task.steps.find((s) => s.state === 'failed')?.name, 'storefront-check')
        assert.equal(task.error?.code, 'config-invalid')
        assert.match(
          task.error?.detail ?? '',
          /Small: diskGiB is 4, the answers say 5; Small: price per day in 0x0+ is 1000, .* 2000/,
        )
        assert.deepEqual(one.opened, [])
        await assert.rejects(readFile(join(one.folder, 'freehold.yaml')), { code: 'ENOENT' })
        // the answers as the contract is: it opens, and from then on the contract goes before the answers
        assert.equal((await one.run(text)).state, 'done')
        assert.equal((await one.run(text.replace('"1000"', '"2000"'))).state, 'done')
      } finally {
        await one.close()
      }
    },
  )
})
