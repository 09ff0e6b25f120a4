import assert from 'node:assert/strict'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, type TestContext } from 'node:test'
import { reliability } from '../dev/reliability.ts'
import { bob, testPlan } from '../vms/test-chain.ts'
import { Stand } from '../vms/test-stand.ts'
import { mendDatabase } from './mend-database.ts'

const day = 86_400
const plans = [testPlan({ graceSeconds: 30 * day })]

async function host(t: TestContext): Promise<{ former: Stand; backup: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-since-'))
  const former = await Stand.open({ plans, path: join(folder, 'now.db') })
  t.after(async () => {
    await former.store.close()
    await rm(folder, { recursive: true })
  })
  return { former, backup: join(folder, 'backup.db') }
}

/** A new daemon on chain and hypervisor of the former one, with the database of the backup as a restore leaves it. */
async function restored(t: TestContext, former: Stand, backup: string): Promise<Stand> {
  const path = `${backup}.restored`
  await copyFile(backup, path)
  mendDatabase(path, { now: former.clock.now(), put: {}, result: 'test' })
  const stand = await Stand.open({ plans, path })
  t.after(() => stand.store.close())
  const { chain, provisioner, hypervisor, clock } = former
  Object.assign(stand, { chain, provisioner, hypervisor, clock })
  stand.hypervisor.onStart = (key) => void stand.report(key)
  await stand.restart()
  await stand.settle()
  return stand
}

suite('a restored database', () => {
  reliability(
    'restore-bought-since',
    'what was bought and extended since the backup runs on; what ended stays ended; nothing is sent twice',
    async (fault, t) => {
      const { former, backup } = await host(t)
      const [extended, ended] = [former.chain.buy(), former.chain.buy(bob)]
      await former.settle()
      former.store.copyTo(backup)
      former.chain.extend(extended, 20 * day)
      former.chain.endFor(ended)
      former.chain.finalize()
      await former.settle()
      former.advance(7 * day)
      const bought = former.chain.buy(bob, 0, 20 * day)
      former.chain.finalize()
      await former.settle()
      const [sent, calls] = [[...former.provisioner.sent], former.hypervisor.calls.length]
      const stand = await restored(t, former, backup)
      fault.struck(!(await rowsOf(backup)).includes(String(bought)))
      assert.deepEqual([stand.vm(extended)?.state, stand.vm(bought)?.state], ['running', 'running'])
      assert.deepEqual(stand.hypervisor.calls.slice(calls), [], 'no disk is made, started or destroyed')
      assert.deepEqual(stand.provisioner.sent, sent)
      assert.deepEqual(stand.issues(), [])
      assert.equal(
        (await stand.store.vms.list()).some((row) => row.tokenId === bought),
        true,
        'it is known again by itself',
      )
    },
  )

  reliability(
    'restore-wait-anew',
    'the 24 hours before `end` begin anew after a restore: an old backup never shortens them',
    async (fault, t) => {
      const { former, backup } = await host(t)
      former.chain.buy()
      await former.settle()
      former.advance(40 * day)
      former.chain.finalize()
      await former.settle()
      former.clock.advance(23 * 3600)
      await former.settle()
      former.store.copyTo(backup)
      fault.struck((await former.store.vms.list())[0]?.graceOverSeenSince)
      const stand = await restored(t, former, backup)
      stand.clock.advance(2 * 3600)
      await stand.settle()
      assert.deepEqual(stand.provisioner.sent, ['activate 1'], 'an hour later no end is sent')
      stand.clock.advance(22 * 3600 + 60)
      await stand.settle()
      assert.deepEqual(stand.provisioner.sent, ['activate 1', 'end 1'])
    },
  )
})

async function rowsOf(path: string): Promise<string[]> {
  const { DatabaseSync } = await import('node:sqlite')
  const db = new DatabaseSync(path, { readOnly: true })
  try {
    return db
      .prepare('SELECT "tokenId" FROM vms')
      .all()
      .map((row) => String(row['tokenId']))
  } finally {
    db.close()
  }
}
