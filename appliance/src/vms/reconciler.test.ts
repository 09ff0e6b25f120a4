import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Stand } from './test-stand.ts'

test('buy: made, started, reported, activated', async () => {
  const stand = await Stand.open()
  const id = stand.chain.buy()
  await stand.settle()
  assert.equal(stand.chain.at(id)?.state, 'active', stand.lines.join('\n'))
  assert.equal(stand.vm(id)?.state, 'running')
  assert.deepEqual(stand.provisioner.sent, ['activate 1'])
  const { items } = await stand.store.tasks.list({ subject: stand.id(id) })
  assert.deepEqual(
    items.map((t) => [t.kind, t.state]),
    [['create', 'done']],
  )
  assert.deepEqual(stand.issues(), [])
})
