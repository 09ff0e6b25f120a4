import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { startTestChain, type TestChain } from '../chain/test-chain.ts'
import { systemClock } from '../clock/clock.ts'
import type { Config } from '../config/schema.ts'
import { AppError } from '../errors/app-error.ts'
import { noHost } from '../host/no-host.ts'
import { Pool } from '../hypervisor/libvirt/pool.ts'
import { openHypervisor } from '../hypervisor/open-hypervisor.ts'
import type { Step, TaskRecord } from '../steps/step.ts'
import { openStore } from '../store/store.ts'
import type { SetupContext } from './context.ts'
import { createSetupService } from './setup-service.ts'
import { setupSteps } from './setup.ts'
import { createCertificates } from './tls/certificates.ts'

/** Steps that leave nothing to take back, and why. A step that is neither here nor has an `undo` fails the first test. */
const nothingToTakeBack: Readonly<Record<string, string>> = {
  restored: 'it only looks',
  backup: 'a backup that was made is nobody’s harm; the next ones take its place',
  uplink: 'taken back by the root helper itself unless it is confirmed; confirmed, it is how the machine is reached',
  preflight: 'looks only',
  enrolment: 'needs the privileged token, which is gone; a server that is enrolled with is found so',
  hypervisor: 'looks only',
  plans: 'looks only',
  ipv6: 'the product gives a lease back as it ends',
  'hand-over': 'the last one: a host that sells is ended by its operator',
}

const treasury = '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC'
const steps = setupSteps as Step<SetupContext>[]

/** What a setup changes outside of its own notes. */
interface World {
  config: string | undefined
  templates: number
  storage: boolean
  ownCertificate: boolean
  site: string | undefined
  wasm: boolean
  runs: string | undefined
  owed: bigint
}

suite('setup that failed is taken back', () => {
  let chain: TestChain
  before(async () => {
    chain = await startTestChain('0x00000000000000000000000000000000000000a3')
  })
  after(() => chain.close())

  /** A host whose setup fails once right after step `last` has acted. */
  async function host(last: string) {
    const folder = await mkdtemp('/tmp/fh-undo-')
    const store = await openStore(join(folder, 'freehold.db'), { clock: systemClock })
    const pool = new Pool(join(folder, 'pool'))
    const image = join(folder, 'image')
    await writeFile(image, 'image')
    await mkdir(join(folder, 'tls'))
    const state = { wasm: false, runs: undefined as string | undefined }
    const funded: string[] = []
    const restarts: string[] = []
    const certificates = createCertificates({
      stateFolder: folder,
      clock: systemClock,
      front: {
        reload: async () => void restarts.push(await readFile(join(folder, 'tls/Caddyfile'), 'utf8')),
        announced: () => Promise.resolve(),
      },
      log: () => undefined,
    })
    const origins = (config: Config): string => `${config.origin} ${config.plans.length}`
    const service = () =>
      createSetupService({
        stateFolder: folder,
        clock: systemClock,
        settings: store.settings,
        tasks: store.tasks,
        certificates,
        host: { ...noHost, isolates: true, setWasm: async ({ enabled }) => void (state.wasm = enabled) },
        hooks: () => ({
          buildTemplate: async () => ({ path: image, sha256: createHash('sha256').update('image').digest('hex') }),
          fund: async (address) => {
            funded.push(address)
            await chain.rpc('anvil_setBalance', address, '0x56bc75e2d63100000')
          },
        }),
        async openHypervisor(config, initialise) {
          if (initialise) await pool.initialise()
          return await openHypervisor({ config, stateFolder: folder, clock: systemClock })
        },
        discardStorage: () => pool.discard(),
        listensAt: () => undefined,
        onEvent: () => undefined,
        onFailure: () => undefined,
        finished: async (config) => void (state.runs = origins(config)),
        close: async () => void (state.runs = undefined),
        handedOver: () => false,
        handOver: () => Promise.resolve(),
      })
    const wei = async (address: string): Promise<bigint> =>
      BigInt((await chain.rpc('eth_getBalance', address, 'latest')) as string)
    return {
      folder,
      store,
      state,
      restarts,
      service,
      async until(setup: ReturnType<typeof service>, begin: Promise<TaskRecord>): Promise<TaskRecord> {
        const { taskId } = await begin
        for (;;) {
          const task = await store.tasks.get(taskId)
          if (task !== undefined && task.state !== 'running') return task
          await systemClock.wait(20)
        }
      },
      async world(): Promise<World> {
        const fake = JSON.parse(await readFile(join(folder, 'fake-world.json'), 'utf8').catch(() => '{}')) as {
          templates?: unknown[]
        }
        const text = (name: string) => readFile(join(folder, name), 'utf8').catch(() => undefined)
        const owed = await Promise.all(funded.map(wei))
        return {
          config: await text('freehold.yaml'),
          templates: fake.templates?.length ?? 0,
          storage: existsSync(join(folder, 'pool/freehold-pool.json')),
          ownCertificate: (await readdir(join(folder, 'tls'))).some((name) => name.startsWith('issued-') || name === 'site'),
          site: restarts.at(-1)?.includes('tls/site/') === true ? 'own' : 'first',
          wasm: state.wasm,
          runs: state.runs,
          // dust that is not worth its own fee stays
          owed: owed.reduce((sum, one) => sum + one, 0n) / 10n ** 16n,
        }
      },
      /** The next run fails when `last` has acted. */
      breakAfter() {
        const at = steps.findIndex((step) => step.name === last)
        const real = steps[at]
        if (real === undefined) throw new TypeError(`no step ${last}`)
        steps[at] = {
          ...real,
          check: () => Promise.resolve(false),
          async run(context, io) {
            await real.run(context, io)
            throw new AppError({ code: 'process-failed', detail: 'The test made it fail.' })
          },
        }
        return () => void (steps[at] = real)
      },
      async close() {
        await store.close()
        await rm(folder, { recursive: true, force: true })
      },
    }
  }

  function answers(more = ''): string {
    return `version: 1
mode: installed
origin: https://host.example
listen: { login: "127.0.0.1:0" }
chain: { chainId: 31337, rpcUrls: ["${chain.url}"], confirmations: 1 }
roles: { owner: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", treasury: "${treasury}" }
plans:
  - { name: Small, vcpus: 1, memoryMiB: 512, diskGiB: 4, graceDays: 7, capacity: 4, prices: { native: "1000" } }
hypervisor: { kind: fake, createSeconds: 0 }
tls: { kind: own-ca }
wasm: { enabled: true }
${more}`
  }

  test('each step can be taken back, or says why there is nothing to take back', () => {
    for (const { name, undo } of steps) {
      assert.notEqual(undo === undefined, nothingToTakeBack[name] === undefined, `${name}: undo, or a reason`)
    }
  })

  test('denies to take back a setup that never was, and one that ended well', async () => {
    const one = await host('start')
    try {
      const setup = one.service()
      await assert.rejects(setup.undo(), { code: 'not-in-this-state', detail: /No setup is left/ })
      assert.equal((await one.until(setup, setup.begin(answers()))).state, 'done')
      const before = await one.world()
      await assert.rejects(setup.undo(), { code: 'not-in-this-state', detail: /No setup is left/ })
      assert.deepEqual(await one.world(), before)
      await setup.stop()
    } finally {
      await one.close()
    }
  })

  for (const { name, undo } of steps) {
    if (undo === undefined) continue
    test(`W12 failed when ${name} has acted, undone: the world is as before; tried again, it comes to its end`, async () => {
      const one = await host(name)
      const mend = one.breakAfter()
      try {
        const setup = one.service()
        const before = await one.world()
        const failed = await one.until(setup, setup.begin(answers()))
        assert.equal(failed.state, 'failed', JSON.stringify(failed.error))
        assert.notDeepEqual(await one.world(), before, `${name} changed nothing: this test sees nothing`)
        const earned = BigInt((await chain.rpc('eth_getBalance', treasury, 'latest')) as string)
        const undone = await one.until(setup, setup.undo())
        assert.equal(undone.state, 'undone', JSON.stringify(undone.error))
        assert.deepEqual(await one.world(), before)
        const { steps: kept } = undone
        assert.equal(kept.find((step) => step.name === name)?.state, 'undone')
        if (['chain', 'contracts', 'start'].includes(name)) {
          assert.ok(BigInt((await chain.rpc('eth_getBalance', treasury, 'latest')) as string) > earned, 'funds came back')
        }
        mend()
        assert.equal((await one.until(setup, setup.begin(answers()))).state, 'done')
        assert.equal(one.state.runs, 'https://host.example 1')
        await setup.stop()
      } finally {
        mend()
        await one.close()
      }
    })
  }

  test('W12 a host that served before is back as it was: its configuration, product and certificate', async () => {
    const one = await host('start')
    try {
      const setup = one.service()
      assert.equal((await one.until(setup, setup.begin(answers()))).state, 'done')
      const before = await one.world()
      const mend = one.breakAfter()
      const failed = await one.until(setup, setup.begin(answers('taking: { waitSeconds: 90000 }\n')))
      mend()
      assert.equal(failed.state, 'failed')
      assert.notEqual((await one.world()).config, before.config)
      assert.equal((await one.until(setup, setup.undo())).state, 'undone')
      assert.deepEqual(await one.world(), before)
      await setup.stop()
    } finally {
      await one.close()
    }
  })

  test('W12 a setup that stopped before it changed a host that serves leaves its product alone', async () => {
    const one = await host('preflight')
    try {
      const setup = one.service()
      assert.equal((await one.until(setup, setup.begin(answers()))).state, 'done')
      const before = await one.world()
      const mend = one.breakAfter()
      assert.equal((await one.until(setup, setup.begin(answers()))).state, 'failed')
      mend()
      assert.equal((await one.until(setup, setup.undo())).state, 'undone')
      assert.deepEqual(await one.world(), before)
      await setup.stop()
    } finally {
      await one.close()
    }
  })

  test('W6 W12 cut off while it is taken back, it goes on in that direction', async () => {
    const one = await host('start')
    const mend = one.breakAfter()
    const at = steps.findIndex((step) => step.name === 'template')
    const template = steps[at] as Step<SetupContext>
    try {
      const before = await one.world()
      const setup = one.service()
      assert.equal((await one.until(setup, setup.begin(answers()))).state, 'failed')
      const reached = Promise.withResolvers<void>()
      steps[at] = {
        ...template,
        undo: async (_, { signal }) => {
          reached.resolve()
          await new Promise((done) => signal.addEventListener('abort', done, { once: true }))
          signal.throwIfAborted()
        },
      }
      const { taskId } = await setup.undo()
      await reached.promise
      await setup.stop()
      steps[at] = template
      assert.equal((await one.store.tasks.get(taskId))?.state, 'interrupted')
      const again = one.service()
      const going = again.resume()
      await going
      for (;;) {
        const task = await one.store.tasks.get(taskId)
        if (task?.state === 'undone') break
        assert.notEqual(task?.state, 'done', 'it went forward')
        assert.notEqual(task?.state, 'failed')
        await systemClock.wait(20)
      }
      assert.deepEqual(await one.world(), before)
      await again.stop()
    } finally {
      steps[at] = template
      mend()
      await one.close()
    }
  })

  test('W12 a step that may be skipped is gone on without; one that nothing works without is refused', async () => {
    const one = await host('tls')
    const mend = one.breakAfter()
    try {
      const setup = one.service()
      assert.equal((await one.until(setup, setup.begin(answers()))).state, 'failed')
      await assert.rejects(setup.begin(answers(), ['tls', 'chain']), { code: 'bad-input', detail: /without "chain"/ })
      const ended = await one.until(setup, setup.begin(answers(), ['tls']))
      assert.equal(ended.state, 'done', JSON.stringify(ended.error))
      assert.deepEqual(
        ['tls', 'chain', 'start'].map((name) => ended.steps.find((step) => step.name === name)?.state),
        ['skipped', 'done', 'done'],
      )
      await setup.stop()
    } finally {
      mend()
      await one.close()
    }
  })
})
