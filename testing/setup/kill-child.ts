// One life of the daemon of a host that is not set up: it ends with 0 once the storefront is open, or dies by SIGKILL at the place
// it is told. Used by the tests of crashes. Arguments: state folder, where guests log in, where to die (`step/place`, or nothing).
// Places: `before` the step looks at the world, `begun` as it starts to act, each touch of the world before (`touch-0`) and after
// it happened (`touched-0`), and `acted`: all is done and not noted yet. It prints a line for each place it passed.
import { createHash } from 'node:crypto'
import { existsSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { systemClock } from '@freehold/appliance/clock/clock'
import { startDaemon } from '@freehold/appliance/main'
import type { Step, StepIo } from '@freehold/appliance/steps/step'
import { createClient } from '@freehold/appliance/cli/client'
import { statusSchema } from '@freehold/appliance/api/schemas/status'
import { tasksPageSchema } from '@freehold/appliance/api/schemas/tasks'
import { localRpc } from '@freehold/appliance/dev/local-chain'
import type { SetupContext } from '@freehold/appliance/setup/context'
import { setupSteps } from '@freehold/appliance/setup/setup'

const [folder = '', login = '', death = ''] = process.argv.slice(2)

// nothing is done before somebody who looks at the host has seen how it stands: the first line of stdin lets it go on
const { promise: seen, resolve: goOn } = Promise.withResolvers<void>()
process.stdin.once('data', () => goOn())

function at(place: string): void {
  // at once: a life that dies has told it
  writeSync(1, `at ${place}\n`)
  if (place === death) process.kill(process.pid, 'SIGKILL')
}

/** What a step does to the world goes through its context; each call is a place to die, before it and after it. */
function watched(step: string): { context(real: SetupContext): SetupContext; io(real: StepIo): StepIo } {
  let count = 0
  async function touch<T>(work: () => Promise<T>): Promise<T> {
    const number = count++
    at(`${step}/touch-${number}`)
    const result = await work()
    at(`${step}/touched-${number}`)
    return result
  }
  /** Every function of an object, and of what it promises, is a touch. */
  function wrap<T extends object>(real: T): T {
    return new Proxy(real, {
      get(target, name) {
        const value = Reflect.get(target, name) as unknown
        if (typeof value !== 'function') {
          const inner = name === 'journal' || name === 'hooks'
          return inner && typeof value === 'object' && value !== null ? wrap(value) : value
        }
        return (...args: unknown[]): unknown => {
          const call = (): unknown => Reflect.apply(value, target, args)
          const touched = touch(async () => await call())
          return name === 'hypervisor' ? touched.then((driver) => wrap(driver as object)) : touched
        }
      },
    })
  }
  return {
    context: wrap,
    io: (real) => ({
      signal: real.signal,
      log: (line) => (at(`${step}/touch-${count++}`), real.log(line)),
      progress: real.progress,
    }),
  }
}

const list = setupSteps as Step<SetupContext>[]
for (const [index, real] of list.entries()) {
  const { name } = real
  const { context, io } = watched(name)
  list[index] = {
    ...real,
    async check(given) {
      await seen
      at(`${name}/before`)
      return await real.check(context(given))
    },
    async run(given, realIo) {
      at(`${name}/begun`)
      await real.run(context(given), io(realIo))
      at(`${name}/acted`)
    },
  }
}

const image = join(folder, 'image')
const daemon = await startDaemon({
  stateFolder: folder,
  clock: systemClock,
  wizard: { mode: 'embedded', listen: { login } },
  buildTemplate: async () => {
    if (!existsSync(image)) writeFileSync(image, 'image')
    return { path: image, sha256: createHash('sha256').update('image').digest('hex') }
  },
  development: {
    chainId: 31337,
    fund: async (rpcUrl, address) => void (await localRpc(rpcUrl, 'anvil_setBalance', [address, '0x56bc75e2d63100000'])),
    devToken: () => Promise.reject(new TypeError('no plan asks for it')),
    advance: { body: z.strictObject({ seconds: z.number() }), run: () => Promise.reject(new TypeError('time is not moved')) },
    fakeGuests: () => ({ start: () => Promise.resolve(), stop: () => undefined, stopAll: () => undefined }),
  },
})
const admin = createClient({ socket: join(folder, 'run/admin.sock') })
process.stdout.write('up\n')
/** The storefront is open and no setup is left unfinished. */
async function over(): Promise<boolean> {
  if ((await admin.call(statusSchema, 'GET', '/v1/status')).storefront !== 'open') return false
  const { items } = await admin.call(tasksPageSchema, 'GET', '/v1/tasks?limit=50')
  return items.every((task) => task.kind !== 'setup' || task.state === 'done')
}
while (!(await over())) await systemClock.wait(20)
await daemon.stop()
process.exit(0)
