import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { after, before, suite } from 'node:test'
import type { VmRecord } from '../hypervisor/port.ts'
import { createClients } from '../chain/any-client.ts'
import { createChainReader } from '../chain/chain-reader.ts'
import { vmIdOf } from '../chain/installation.ts'
import { loadOrCreateKey } from '../chain/provisioner-key.ts'
import { day, startTestChain, type TestChain } from '../chain/test-chain.ts'
import { MovableClock } from '../clock/clock.ts'
import { reliability } from '../dev/reliability.ts'
import { openStore } from '../store/store.ts'
import { createSteps } from './create-steps.ts'
import { destroySteps, endSteps, rejectSteps } from './end-steps.ts'
import { personSteps } from './person-steps.ts'
import { startSteps, suspendSteps } from './power-steps.ts'

// every step of every job, by the lists that the daemon itself runs: a new step is killed here without being named
const jobs = {
  create: createSteps,
  suspend: suspendSteps,
  start: startSteps,
  end: endSteps,
  destroy: destroySteps,
  reject: rejectSteps,
  reinstall: personSteps.reinstall,
} as const
export type Job = keyof typeof jobs

/** The hypervisor that outlives the daemon's lives. */
export interface KillWorld {
  /** Further arguments of `kill-child.ts`: how a life reaches it. */
  childArguments: string[]
  list(clock: MovableClock): Promise<readonly VmRecord[]>
  close(): Promise<void>
}

export interface KillOptions {
  /** Default: SIGKILL. By SIGTERM a life must end by itself, leaving nothing open. */
  signal?: 'SIGKILL' | 'SIGTERM'
  /** Row of RELIABILITY.md and title of each job's test. */
  row: string
  title(job: Job): string
  open(folder: string): Promise<KillWorld>
  /** Where to die, of all the places there are (`job/step/running` and `job/step/done`). */
  deaths(job: Job, all: readonly string[]): readonly string[]
  /** Each death with a subscription of its own; else one dies at every step in turn. */
  alone: boolean
}

/** Kills, or stops, a real process of the daemon's VM part at its steps, starts it again, and compares world, chain and tasks. */
export async function killSuite(name: string, options: KillOptions): Promise<void> {
  let folder: string
  let chain: TestChain
  let provisioner: string
  let hypervisor: KillWorld
  let offset = 0
  const signal = options.signal ?? 'SIGKILL'

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'freehold-kill-'))
    const key = await loadOrCreateKey(join(folder, 'key'))
    provisioner = key.address
    chain = await startTestChain(key.address)
    hypervisor = await options.open(folder)
  })
  after(async () => {
    // also where the start failed half-way
    await hypervisor?.close()
    await chain?.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function live(todo = 'settle', deathAt = ''): Promise<{ code: number | null; killedBy: string | null; words: string }> {
    const args = [
      join(import.meta.dirname, 'kill-child.ts'),
      folder,
      chain.url,
      chain.contract,
      String(offset),
      todo,
      deathAt === '' ? '' : `${signal}@${deathAt}`,
      ...hypervisor.childArguments,
    ]
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 600_000,
      killSignal: 'SIGTERM',
      // a life is short and there are hundreds: half of what one takes is compiling
      env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'compiled') },
    })
    let words = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text))
    const [code, killedBy] = (await once(child, 'exit')) as [number | null, string | null]
    return { code, killedBy, words }
  }

  async function advance(seconds: number): Promise<void> {
    offset += seconds
    await chain.advance(seconds)
    await chain.mine(3)
  }

  /** The world after a life: the VM, the tasks, what was sent. Read from disk and chain, not from the daemon. */
  async function world(tokenId: bigint) {
    const clock = new MovableClock(offset)
    const store = await openStore(join(folder, 'freehold.db'), { clock })
    const reader = createChainReader({
      clients: createClients([chain.url]),
      chainId: 31337,
      contract: chain.contract as `0x${string}`,
      confirmations: 1,
      clock,
    })
    try {
      const id = vmIdOf({ installation: reader.installation, tokenId })
      const vms = (await hypervisor.list(clock)).filter((record) => record.key.tokenId === tokenId)
      const { items } = await store.tasks.list({ subject: id, limit: 200 })
      return {
        vms: vms.map(({ state, key, autostart }) => `${state} ${key.generation}${autostart ? '' : ' off'}`),
        atWork: items.filter((task) => task.state === 'running').map((task) => task.kind),
        open: items.filter((task) => task.state === 'running' || task.state === 'interrupted').map((task) => task.kind),
        chain: (await reader.subscription(tokenId, (await reader.heads()).latest))?.state,
        leases: (await store.addresses.list('ssh-port')).filter((lease) => lease.owner === id).length,
      }
    } finally {
      await store.close()
    }
  }

  /** How many transactions of the provisioner the chain has. */
  async function sent(): Promise<number> {
    return Number(await chain.rpc('eth_getTransactionCount', provisioner, 'latest'))
  }

  /** Brings a new subscription to where the job begins, and says what the job is asked by. */
  interface Scene {
    /** `where`: the first place to die at. */
    prepare(where?: string): Promise<bigint>
    todo?(id: bigint): string
    /** Who died there has a subscription of its own, also where the others share one. Default: none. */
    alone?(where: string): boolean
    /** The job goes on by itself after a death there: it is not asked for again. */
    goesOn?(where: string): boolean
    ends: object
    /** Where the end depends on the moment of the death. */
    endsAfter?(where: string): object
    transactions: number
  }
  const scenes: Record<Job, Scene> = {
    create: {
      prepare: () => chain.buy(chain.alice, 40 * day),
      ends: { vms: ['running 1'], atWork: [], open: [], chain: 'active', leases: 1 },
      transactions: 1,
    },
    suspend: {
      prepare: async () => {
        const id = await chain.buy(chain.alice, day)
        await settled()
        await advance(day + 60)
        return id
      },
      ends: { vms: ['stopped 1 off'], atWork: [], open: [], chain: 'active', leases: 1 },
      transactions: 0,
    },
    start: {
      prepare: async () => {
        const id = await scenes.suspend.prepare()
        await settled()
        await chain.send(chain.alice, 'extend', [id, 20 * day, 10n ** 18n], 20n * 10n ** 15n)
        await chain.mine(3)
        return id
      },
      ends: { vms: ['running 1'], atWork: [], open: [], chain: 'active', leases: 1 },
      transactions: 0,
    },
    end: {
      prepare: async () => {
        const id = await scenes.suspend.prepare()
        await settled()
        await advance(day + 60)
        await settled()
        await advance(day + 1)
        return id
      },
      // once the end is final the disk goes as well
      ends: { vms: [], atWork: [], open: [], chain: 'ended', leases: 0 },
      transactions: 1,
    },
    destroy: {
      prepare: async () => {
        const id = await chain.buy(chain.alice, 5 * day)
        await settled()
        await chain.send(chain.alice, 'cancel', [id])
        await chain.mine(3)
        return id
      },
      ends: { vms: [], atWork: [], open: [], chain: 'ended', leases: 0 },
      transactions: 0,
    },
    reject: {
      prepare: async () => {
        const id = await chain.buy(chain.alice, day)
        // no daemon was there: less than a quarter of the hour is left
        await advance(50 * 60)
        return id
      },
      ends: { vms: [], atWork: [], open: [], chain: 'ended', leases: 0 },
      transactions: 1,
    },
    reinstall: {
      prepare: async (where = '') => {
        const id = await chain.buy(chain.alice, 40 * day)
        await settled()
        // only what a person stopped is to be kept running
        if (where.includes('/keep-running/')) await settled(`stop:${id}`)
        return id
      },
      todo: (id) => `reinstall:${id}`,
      // a disk that stands is started by the loop: the steps after it are the reinstall's in its first life only
      alone: (where) => signal === 'SIGTERM' || !/\/entitled\/|\/generation\/|\/disk\//.test(where),
      goesOn: (where) => /\/generation\/done|\/disk\//.test(where),
      // before the generation is raised nothing has begun: it is not begun again, as its asker may hold the pass no longer
      ends: { vms: ['running 2'], atWork: [], open: [], chain: 'active', leases: 1 },
      endsAfter: (where) => {
        if (where.endsWith('/keep-running/running')) return { ...scenes.reinstall.ends, vms: ['stopped 1 off'] }
        const begun = !/\/entitled\/|\/keep-running\/done|\/generation\/running/.test(where)
        return { ...scenes.reinstall.ends, vms: [begun ? 'running 2' : 'running 1'] }
      },
      transactions: 0,
    },
  }

  async function settled(todo = 'settle'): Promise<void> {
    const life = await live(todo)
    assert.equal(life.code, 0, life.words)
  }

  await suite(name, () => {
    for (const job of Object.keys(jobs) as Job[]) {
      const places = jobs[job].flatMap((step) => ['running', 'done'].map((state) => `${job}/${step.name}/${state}`))
      const deaths = options.deaths(job, places)
      if (deaths.length === 0) continue
      reliability(options.row, options.title(job), async (fault) => {
        let scene: { id: bigint; before: number; last: string } | undefined
        async function ends(): Promise<void> {
          if (scene === undefined) return
          const { id, before: sentBefore, last } = scene
          scene = undefined
          await settled()
          await chain.mine(3)
          await settled()
          const ended = await world(id)
          const { ends: whole, endsAfter, transactions } = scenes[job]
          // who is asked to stop may end the step it stands in, or the one after
          const either = [whole, endsAfter?.(last.replace('/running', '/done'))]
          if (signal === 'SIGKILL' || !either.some((one) => isDeepStrictEqual(ended, one))) {
            assert.deepEqual(ended, endsAfter?.(last) ?? whole, last)
          }
          assert.equal((await sent()) - sentBefore, transactions, `${last}: transactions`)
        }
        /** Begins the job, or goes on with it, and dies there. False if the life ended well without having been there. */
        async function die(where: string): Promise<boolean> {
          scene ??= { id: await scenes[job].prepare(where), before: await sent(), last: '' }
          const asked = scenes[job].goesOn?.(scene.last) === true ? undefined : scenes[job].todo?.(scene.id)
          scene.last = where
          const { code, killedBy, words } = await live(asked, where)
          const stopped = signal === 'SIGTERM' && /^stopped$/m.test(words)
          if (killedBy !== 'SIGKILL' && !stopped) {
            assert.deepEqual([code, killedBy], [0, null], `${where}: ${words}`)
            scene.last = ''
            return false
          }
          fault.struck(killedBy ?? 'stopped')
          if (stopped) {
            assert.deepEqual([code, killedBy], [0, null], `${where}: ${words}`)
            const { atWork } = await world(scene.id)
            assert.deepEqual(atWork, [], `${where}: no task is left as if it ran`)
          }
          return true
        }
        for (const where of deaths) {
          assert.ok(places.includes(where), `there is no place ${where}`)
          const alone = options.alone || scenes[job].alone?.(where) === true
          if (alone) await ends()
          if (!(await die(where))) {
            // the life before went past it: a step whose check holds already does not run again. With a subscription of
            // its own every place is reached; one that is not was never tried
            await ends()
            assert.ok(await die(where), `${where} is not reached`)
          }
          if (alone) await ends()
        }
        await ends()
      })
    }
  })
}
