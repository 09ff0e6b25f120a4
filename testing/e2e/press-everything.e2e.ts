import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { InventedStand } from '@freehold/appliance/dev/invented/invented-stand'
import { vmStates } from '@freehold/appliance/vms/vm-state'
import { expect, test } from './invented-fixture.ts'
import { pressEverything, watchPresses, type Met } from './press.ts'

/** Every route of the built pages, from their own manifest, with values of the invented world where one takes a value. */
async function pathsOf(stand: InventedStand): Promise<string[]> {
  const manifest = JSON.parse(readFileSync(join(stand.pages, 'wizard/.next/server/app-paths-manifest.json'), 'utf8')) as Record<
    string,
    string
  >
  const routes = Object.keys(manifest)
    .filter((key) => key.endsWith('/page'))
    .map((key) => key.replace(/\/page$/, '') || '/')
  expect(routes, 'the manifest names the operator’s pages').toContain('/operator/money')
  const { items } = await stand.host.store.tasks.list({ limit: 1 })
  const [event] = await stand.host.store.history.named('Collected')
  const own = await ownVms(stand)
  return routes.flatMap((route) => {
    // setup has a stand of its own
    if (route.startsWith('/_') || route.startsWith('/setup')) return []
    if (!route.includes('[')) return [route]
    if (route.includes('[vmId]')) return [...own.keys()].map((vmId) => route.replace('[vmId]', vmId))
    const filled = route
      .replace('[taskId]', items[0]?.taskId ?? '')
      .replace('[hash]', event?.transactionHash ?? '')
      .replace('[id]', '0')
      .replace('[code]', '7QF3K2MD')
    expect(filled, 'a route takes a value that this test does not know').not.toContain('[')
    return [filled]
  })
}

/** The visitor's VMs with their states: one of each, and one whose pass was burned. */
async function ownVms(stand: InventedStand): Promise<Map<string, string>> {
  const token = await stand.host.sessionToken()
  const answer = await fetch(`${stand.origin}/v1/vms`, { headers: { cookie: `__Host-freehold=${token}` } })
  const { items } = (await answer.json()) as { items: { vmId: string; state: string }[] }
  const [first] = items
  const vms = new Map(items.map((vm) => [vm.vmId, vm.state]))
  if (first !== undefined) vms.set(first.vmId.replace(/-\d+$/, '-7'), 'ended')
  expect(new Set(vms.values()), 'every state of the table').toEqual(new Set(vmStates))
  return vms
}

/** By default the operator's pages and a VM's page in each state; with --all every other page, and what each console says. */
const parts = [
  ['the operator’s pages', (path: string) => path.startsWith('/operator')],
  ['a VM in every state', (path: string) => /^\/vms\/[^/]+$/.test(path)],
  ...(process.env['FREEHOLD_ALL'] === '1'
    ? ([['all other pages', (path: string) => !path.startsWith('/operator') && !/^\/vms\/[^/]+$/.test(path)]] as const)
    : []),
] as const

for (const [part, belongs] of parts) {
  test(`X8 O3 press everything: ${part}: every button works, or is off and says why`, async ({ page, stand, context }) => {
    test.setTimeout(600_000)
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(error.message))
    await page.emulateMedia({ reducedMotion: 'reduce' })
    await watchPresses(page)
    const met: Met = { pressed: [], off: [] }
    const paths = (await pathsOf(stand)).filter(belongs)
    for (const path of paths) {
      const here = await pressEverything(page, stand.origin + path)
      met.pressed.push(...here.pressed)
      met.off.push(...here.off)
    }
    expect(errors).toEqual([])
    console.log(`${part}: ${paths.length} pages, ${met.pressed.length} buttons pressed, ${met.off.length} off with a reason`)
    expect(met.pressed.length, 'a run that met no button has tested nothing').toBeGreaterThan(5)
  })
}

test('X8 the walk itself finds a button that does nothing, and one that is off without a reason', async ({ page, stand }) => {
  await watchPresses(page)
  for (const [bad, says] of [
    ['<button type="button">Do nothing</button>', 'does something'],
    ['<button type="button" aria-disabled="true">Never</button>', 'says why it is off'],
  ] as const) {
    await page.route(`${stand.origin}/operator/tasks`, (route) =>
      route.fulfill({ contentType: 'text/html', body: `<main><h1>Tasks</h1>${bad}</main>` }),
    )
    await expect(pressEverything(page, `${stand.origin}/operator/tasks`, 1000)).rejects.toThrow(says)
  }
})
