import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { InventedStand } from '@freehold/appliance/dev/invented/invented-stand'
import { vmStates } from '@freehold/appliance/vms/vm-state'
import type { Page } from '@playwright/test'
import { arrange, setupScenes } from '../setup/scenes.ts'
import { startFaultFront, type FaultFront } from '../stands/fault-front.ts'
import { startWizardStand } from '../stands/wizard-stand.ts'
import { connect, signedIn, test as withWallet } from './fixtures.ts'
import { expect, test } from './invented-fixture.ts'
import { perWorker } from './per-worker.ts'
import { pressAround, pressEverything, watchPresses, type Met } from './press.ts'

const all = process.env['FREEHOLD_ALL'] === '1'

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

/** What a walk has met; says at its end how much, and fails where it was nothing or the pages threw. */
async function walk(page: Page, part: string, go: (meet: (met: Met) => void) => Promise<number>): Promise<void> {
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await page.emulateMedia({ reducedMotion: 'reduce' })
  await watchPresses(page)
  const met: Met = { pressed: [], off: [] }
  const pages = await go((here) => {
    met.pressed.push(...here.pressed)
    met.off.push(...here.off)
  })
  expect(errors).toEqual([])
  console.log(`${part}: ${pages} pages, ${met.pressed.length} buttons pressed, ${met.off.length} off with a reason`)
  expect(met.pressed.length, 'a run that met no button has tested nothing').toBeGreaterThan(2)
}

const isOperators = (path: string) => path.startsWith('/operator')
const isVm = (path: string) => /^\/vms\/[^/]+$/.test(path)

/** By default the operator's pages and a VM's page in each state; with --all every other page, and what each console says. */
const parts = [
  ['the operator’s pages', isOperators],
  ['a VM in every state', isVm],
  ...(all ? ([['all other pages', (path: string) => !isOperators(path) && !isVm(path)]] as const) : []),
] as const

for (const [part, belongs] of parts) {
  test(`X8 O3 press everything: ${part}: every button works, or is off and says why`, async ({ page, stand }) => {
    test.setTimeout(600_000)
    await walk(page, part, async (meet) => {
      const paths = (await pathsOf(stand)).filter(belongs)
      for (const path of paths) meet(await pressEverything(page, stand.origin + path))
      return paths.length
    })
  })
}

/** Who looks at the pages: the wallet whose session the browser has; null: none. */
const roles = [
  ['a visitor without a session', null],
  ['a visitor with a session', `0x${'5e'.repeat(20)}`],
  ['the operator', undefined],
] as const

for (const [role, wallet] of all ? roles : []) {
  test(`X8 O3 press everything: header and footer for ${role}: buttons, links and choices`, async ({ page, stand }) => {
    const value = wallet === null ? 'of-nobody' : await stand.host.sessionToken(wallet)
    const url = stand.origin.replace('http:', 'https:')
    await page.context().addCookies([{ name: '__Host-freehold', value, url, secure: true, httpOnly: true, sameSite: 'Strict' }])
    await walk(page, role, async (meet) => {
      meet(await pressAround(page, `${stand.origin}/`))
      if (wallet === undefined) return 1
      // what these are shown where the operator is shown the data
      const paths = (await pathsOf(stand)).filter((path) => !isVm(path) || path.endsWith('-141'))
      for (const path of paths) meet(await pressEverything(page, stand.origin + path))
      return paths.length
    })
  })
}

// minutes: a chain, a contract and a wallet of its own, and setup's own daemon; what these pages are made of is pressed above
if (all) {
  withWallet('X8 O3 press everything: whoever has the wallet of the pass', async ({ page, stand, useWallet }) => {
    withWallet.setTimeout(600_000)
    const vmId = await stand.buy(stand.wallet(5))
    await useWallet([5])
    await signedIn(page, stand)
    await walk(page, 'with a wallet', async (meet) => {
      const paths = ['/', '/plans/0', '/plans/0?days=30&step=review', '/my', `/vms/${vmId}`, `/vms/${vmId}/console`]
      await page.goto(`${stand.origin}/vms/${vmId}`)
      await connect(page)
      for (const path of paths) meet(await pressEverything(page, stand.origin + path))
      return paths.length
    })
  })

  const setup = test.extend<object, { front: FaultFront }>({
    front: perWorker(async () => {
      const host = await startWizardStand()
      const front = await startFaultFront(host.origin)
      return { ...front, stop: async () => front.close().then(() => host.stop()) }
    }, 240_000),
  })

  const bySetupPage = Map.groupBy(setupScenes(), (scene) => scene.page)
  for (const [name, scenes] of bySetupPage) {
    setup(`X8 O3 press everything: /setup ${name}, in every state`, async ({ page, front }) => {
      setup.setTimeout(600_000)
      await walk(page, `/setup ${name}`, async (meet) => {
        for (const scene of scenes) {
          const open = async () => {
            arrange(front, scene)
            await page.goto('about:blank')
            await page.goto(front.origin + scene.path, { waitUntil: 'domcontentloaded' })
            const main = page.getByRole('main')
            if (scene.press !== undefined) await main.getByRole('button', { name: scene.press }).click()
            const stands = scene.shows === null ? main.locator('[aria-busy=true]') : main.getByText(scene.shows)
            await expect(stands.first(), scene.name).toBeVisible()
          }
          meet(await pressEverything(page, front.origin + scene.path, { open }))
        }
        return scenes.length
      })
    })
  }
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
    await expect(pressEverything(page, `${stand.origin}/operator/tasks`, { patienceMs: 1000 })).rejects.toThrow(says)
  }
})
