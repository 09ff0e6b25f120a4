import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseCidr } from './address.ts'
import type { InterfaceConfig } from './config.ts'
import type { InterfaceChange } from './interface.ts'
import { InterfaceKeeper, type Wait } from './keeper.ts'
import { generateKeyPair } from './key.ts'

/** Time that moves only when told; `passed` resolves when everything that woke has run. */
class TestTime {
  now = 0
  #waiting: { at: number; done(): void }[] = []

  wait: Wait = (ms, signal) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push({ at: this.now + ms, done: resolve })
    signal.addEventListener('abort', () => resolve())
    return promise
  }

  async pass(ms: number): Promise<void> {
    for (const until = this.now + ms; this.now < until;) {
      this.now += 100
      const due = this.#waiting.filter((one) => one.at <= this.now)
      this.#waiting = this.#waiting.filter((one) => one.at > this.now)
      for (const one of due) one.done()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

const nothing: InterfaceChange = { device: { peers: [] }, links: [] }
const drift: InterfaceChange = { device: { peers: [] }, links: ['address add 10.0.0.1/32 dev wg0'] }
const { privateKey } = generateKeyPair()
const config = (n: number): InterfaceConfig => ({ privateKey, peers: [], addresses: [], routes: [parseCidr(`10.${n}.0.0/16`)] })

function stand(answers: (() => InterfaceChange)[] = []) {
  const time = new TestTime()
  const asked: { at: number; route: string | undefined }[] = []
  const drifted: InterfaceChange[] = []
  const errors: unknown[] = []
  const keeper = new InterfaceKeeper(
    {
      set: async (wanted) => {
        asked.push({ at: time.now, route: wanted.routes?.[0] })
        return Promise.resolve((answers.shift() ?? (() => nothing))())
      },
    },
    { wait: time.wait, onDrift: (change) => drifted.push(change), onError: (error) => errors.push(error) },
  )
  return { time, asked, drifted, errors, keeper }
}

suite('the keeper of an interface', { timeout: 600_000 }, () => {
  test('joins a burst into one change with the last value', async () => {
    const { time, asked, keeper } = stand()
    for (let n = 1; n <= 5; n += 1) keeper.want(config(n))
    await time.pass(1000)
    assert.deepEqual(
      asked.map((one) => one.route),
      ['10.5.0.0/16'],
    )
    await keeper.stop()
  })

  test('a burst without end is applied after three seconds all the same', async () => {
    const { time, asked, keeper } = stand()
    for (let n = 0; n < 20; n += 1) {
      keeper.want(config(n))
      await time.pass(200)
    }
    assert.ok((asked[0]?.at ?? Infinity) <= 3500, `first applied at ${asked[0]?.at}`)
    await keeper.stop()
  })

  test('compares every minute and tells what it repaired unasked', async () => {
    const { time, asked, drifted, keeper } = stand([() => nothing, () => drift])
    keeper.want(config(1))
    await time.pass(61_500)
    assert.equal(asked.length, 2)
    assert.deepEqual(drifted, [drift])
    await keeper.stop()
  })

  test('a failure is told and tried again until it holds', async () => {
    const fail = () => {
      throw new Error('refused')
    }
    const { time, asked, errors, keeper } = stand([fail, fail])
    keeper.want(config(1))
    await time.pass(15_000)
    assert.equal(errors.length, 2)
    assert.equal(asked.length, 3)
    await keeper.stop()
  })

  test('stops after the change under way and does nothing afterwards', async () => {
    const { time, asked, keeper } = stand()
    keeper.want(config(1))
    await keeper.stop()
    keeper.want(config(2))
    await time.pass(10_000)
    assert.equal(asked.length, 0)
  })
})
