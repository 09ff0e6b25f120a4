// Pictures of the storefront's, subscriber's and operator's pages over the invented host, in both themes, narrow and wide, for
// people to look at beside the models: npm run screenshots:pages -w testing [-- FOLDER [WORD]]. Never written into the tree.
import { startInventedStand } from '@freehold/appliance/dev/invented/invented-stand'
import { takePictures, wanted } from './pictures.ts'

const asked = await wanted()
const stand = await startInventedStand({ port: 0, readOnly: true })

/** Every kind of page, with values of the invented world. */
async function paths(): Promise<string[]> {
  const token = await stand.host.sessionToken()
  const answer = await fetch(`${stand.origin}/v1/vms`, { headers: { cookie: `__Host-freehold=${token}` } })
  const { items } = (await answer.json()) as { items: { vmId: string; state: string }[] }
  const states = new Map(items.map(({ vmId, state }) => [state, vmId]))
  const tasks = await stand.host.store.tasks.list({ limit: 200 })
  const failed = tasks.items.find(({ state }) => state === 'failed')
  const [event] = await stand.host.store.history.named('Collected')
  return [
    '/',
    '/plans/0',
    '/plans/0?days=30&step=review',
    '/my',
    ...[...states.values()].map((vmId) => `/vms/${vmId}`),
    `/vms/${states.get('running') ?? ''}/console`,
    '/s/7QF3K2MD',
    '/nowhere',
    '/operator',
    ...['vms', 'tasks', 'issues', 'plans', 'money', 'audit', 'sessions', 'alerts', 'backups', 'settings', 'api'].map(
      (page) => `/operator/${page}`,
    ),
    `/operator/tasks/${failed?.taskId ?? ''}`,
    `/operator/transactions/${event?.transactionHash ?? ''}`,
  ]
}

try {
  const due = (await paths()).filter((path) => path.includes(asked.word))
  await takePictures(asked, due, async (page, path) => {
    await page.goto(stand.origin + path)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.locator('main [aria-busy=true]').first().waitFor({ state: 'detached' })
    return `pages${path.replaceAll(/[0-9a-f]{12,}/g, '').replaceAll(/\W+/g, '-')}`
  })
} finally {
  await stand.stop()
}
