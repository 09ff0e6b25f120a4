// Pictures of the storefront's, subscriber's and operator's pages over the invented host, in both themes, narrow and wide, for
// people to look at beside the models: npm run screenshots:pages -w testing [-- FOLDER [WORD]]. Never written into the tree.
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { checkout } from '@freehold/appliance/dev/builds'
import { startInventedStand } from '@freehold/appliance/dev/invented/invented-stand'
import { chromium } from '@playwright/test'

const [where = join(tmpdir(), 'freehold-screenshots'), word = '', locale = 'en-GB'] = process.argv.slice(2)
const folder = resolve(where)
if (!relative(checkout, folder).startsWith('..')) throw new TypeError(`${folder} lies inside the tree: name another folder`)
await mkdir(folder, { recursive: true })

const stand = await startInventedStand({ port: 0, readOnly: true })
const browser = await chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium' })

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

let count = 0
try {
  const due = (await paths()).filter((path) => path.includes(word))
  for (const [look, width, colorScheme] of [
    ['light-wide', 1280, 'light'],
    ['dark-wide', 1280, 'dark'],
    ['light-narrow', 320, 'light'],
    ['dark-narrow', 320, 'dark'],
  ] as const) {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme, reducedMotion: 'reduce', locale })
    for (const path of due) {
      await page.goto(stand.origin + path)
      await page.getByRole('heading', { level: 1 }).waitFor()
      await page.locator('main [aria-busy=true]').first().waitFor({ state: 'detached' })
      const name = path.replaceAll(/[0-9a-f]{12,}/g, '').replaceAll(/\W+/g, '-')
      await page.screenshot({ path: join(folder, `pages${name}.${look}.png`), fullPage: true })
      count += 1
    }
    await page.close()
  }
  process.stdout.write(`${count} pictures in ${folder}\n`)
} finally {
  await browser.close()
  await stand.stop()
}
