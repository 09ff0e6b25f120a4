import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { createClient } from '@freehold/appliance/cli/client'
import { tasksPageSchema } from '@freehold/appliance/api/schemas/tasks'
import { setupSteps } from '@freehold/appliance/setup/setup'
import { startStand } from '../stands/embedded.ts'

test('W15 up.sh sets up by the answer file in the tree, through the very steps of the wizard, and through no other', async (t) => {
  const stand = await startStand({ pages: false, hypervisor: 'fake' })
  t.after(() => stand.stop())
  const admin = createClient({ socket: join(stand.stateFolder, 'run/admin.sock') })
  const { items } = await admin.call(tasksPageSchema, 'GET', '/v1/tasks?limit=50')
  const setups = items.filter((task) => task.kind === 'setup')
  assert.deepEqual(
    setups.map((task) => [task.state, task.attempt, task.steps.map((step) => `${step.name} ${step.state}`)]),
    [['done', 1, setupSteps.map((step) => `${step.name} done`)]],
  )
})
