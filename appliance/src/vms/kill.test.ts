import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Provisioner } from '../chain/port.ts'
import { embeddedPlan } from '../network/address-plan.ts'
import { createAddressTable } from '../network/address-table.ts'
import type { ReconcilerPorts } from './reconciler.ts'
import { Stand } from './test-stand.ts'

const day = 86_400

class Killed extends Error {}

/** Counts every effect on store, hypervisor and chain, and dies at one of them: before it happens, or right after. */
class Reaper {
  effects = 0
  dead = false
  at = Number.POSITIVE_INFINITY
  when: 'before' | 'after' = 'before'

  guard<T extends object>(target: T, verbs: readonly (keyof T)[]): T {
    return new Proxy(target, {
      get: (_, name) => {
        const value = Reflect.get(target, name) as unknown
        if (typeof value !== 'function') return value
        const call = (...args: unknown[]): unknown => Reflect.apply(value, target, args)
        if (!verbs.includes(name as keyof T)) return (...args: unknown[]) => (this.dead ? this.die() : call(...args))
        return async (...args: unknown[]) => {
          if (this.dead) throw new Killed()
          this.effects += 1
          const now = this.effects === this.at
          if (now && this.when === 'before') return this.die()
          const answer = await call(...args)
          if (now) this.die()
          return answer
        }
      },
    })
  }

  die(): never {
    this.dead = true
    throw new Killed()
  }
}

function mortal(stand: Stand, reaper: Reaper): Partial<ReconcilerPorts> {
  const { store } = stand
  const addresses = reaper.guard(store.addresses, ['allocate', 'release', 'claim'])
  return {
    contracts: [
      { reader: stand.chain, provisioner: reaper.guard<Provisioner>(stand.provisioner, ['activate', 'reject', 'end']), index: 0 },
    ],
    vms: reaper.guard(store.vms, ['put', 'mark']),
    tasks: reaper.guard(store.tasks, ['put', 'appendLog']),
    destroys: reaper.guard(store.destroys, ['record']),
    settings: reaper.guard(store.settings, ['put']),
    addresses: createAddressTable(embeddedPlan({ from: 20_000, to: 29_999 }), addresses),
    hypervisor: reaper.guard(stand.hypervisor.port(), ['create', 'start', 'stop', 'destroy', 'setFacts']),
  }
}

/** One whole life; each entry moves the world, then the loop must make it so. */
const life: readonly ((stand: Stand) => void)[] = [
  (stand) => void stand.chain.buy(),
  (stand) => {
    stand.advance(day + 60)
    stand.chain.finalize()
  },
  (stand) => stand.chain.extend(1n, day),
  (stand) => {
    stand.advance(3 * day)
    stand.chain.finalize()
  },
  (stand) => stand.clock.advance(day),
  (stand) => stand.chain.finalize(),
]
const expected = [
  'running activate 1',
  'stopped activate 1',
  'running activate 1',
  'stopped activate 1',
  'stopped activate 1,end 1',
  'undefined activate 1,end 1',
]

/** Lives one life and dies in it once; the next daemon goes on from there. Answers whether it died at all. */
async function liveAndDie(at: number, when: 'before' | 'after'): Promise<boolean> {
  const stand = await Stand.open()
  const reaper = new Reaper()
  Object.assign(reaper, { at, when })
  await stand.restart(mortal(stand, reaper))
  for (const [stage, move] of life.entries()) {
    move(stand)
    try {
      await stand.settle()
    } catch (error) {
      if (!reaper.dead) throw error
    }
    if (reaper.dead && stand.lines.at(-1) !== 'revived') {
      await stand.restart()
      stand.lines.push('revived')
      await stand.reconciler.start()
      await stand.reconciler.stop()
      await stand.restart()
      await stand.settle()
    }
    const seen = `${stand.vm(1n)?.state} ${stand.provisioner.sent.join()}`
    assert.equal(seen, expected[stage], `killed ${when} effect ${at}, stage ${stage}\n${stand.lines.join('\n')}`)
  }
  assert.deepEqual(await stand.store.addresses.list('ssh-port'), [])
  assert.deepEqual(await stand.store.vms.list(), [])
  assert.equal(await stand.store.destroys.countSince({ own: 0, finalized: 0 }), 1)
  const { items } = await stand.store.tasks.list({ subject: stand.id(1n), limit: 200 })
  assert.deepEqual(
    items.filter((t) => t.state === 'running').map((t) => t.kind),
    [],
    `killed ${when} effect ${at}: no task is left open`,
  )
  await stand.store.close()
  return reaper.dead
}

for (const when of ['before', 'after'] as const) {
  test(`E1, E7: killed ${when} each effect of a whole life, started again: the same world, nothing sent twice`, async () => {
    let points = 0
    while (await liveAndDie(points + 1, when)) points += 1
    assert.ok(points > 40, `only ${points} effects were seen`)
  })
}
