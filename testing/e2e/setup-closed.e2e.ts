import { wizardSchema } from '@freehold/appliance/api/schemas/setup-wizard'
import { test as base, expect, type Browser, type Page } from '@playwright/test'
import type { z } from 'zod'
import { setupEn } from '../../wizard/src/messages/setup-en.ts'
import { startWizardStand, type WizardStand } from '../stands/wizard-stand.ts'
import { perWorker } from './per-worker.ts'

// The daemon dies and the browser is closed after pages of the list that the host itself gives: by default after every fourth, as
// each time costs some ten seconds, and testing/setup/kill.int.test.ts kills it at every step and page in front of the same API;
// FREEHOLD_ALL=1: after each one in the browser, too. The review, the run and the signed deployment are cut off in every run.
const all = process.env['FREEHOLD_ALL'] === '1'
const every = all ? 1 : 4

type View = z.output<typeof wizardSchema>

const test = base.extend<object, { host: WizardStand }>({
  host: perWorker(startWizardStand, 240_000),
})

// development accounts of the local chain, whose node signs for them
const [owner, treasury] = ['0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266', '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC']
/** ERC-721 Transfer of pass 0 to the owner: one for each contract that was ever made. */
const minted = [
  '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef',
  `0x${'0'.repeat(64)}`,
  `0x${owner.slice(2).toLowerCase().padStart(64, '0')}`,
  `0x${'0'.repeat(64)}`,
]

function answersFor(host: WizardStand): Partial<Record<View['sections'][number]['name'], Record<string, unknown>>> {
  const plan = { name: 'Small', vcpus: 1, memoryMiB: 512, diskGiB: 4, graceDays: 7, capacity: 4, prices: { native: '1000' } }
  return {
    address: { origin: host.origin },
    chain: { chain: { chainId: 31337, name: 'Local network', rpcUrls: [host.rpcUrl], confirmations: 1 }, publicChain: false },
    people: { roles: { owner, treasury }, deployment: 'wallet' },
    hypervisor: { hypervisor: { kind: 'fake', createSeconds: 0 } },
    network: { network: {} },
    template: { template: {} },
    plans: { plans: [plan] },
    backup: { backup: {} },
  }
}

/** A browser that was never here: it has the code of the screen alone. */
async function reopen(browser: Browser, host: WizardStand): Promise<Page> {
  const page = await (await browser.newContext()).newPage()
  await expect(async () => {
    await page.goto(`${host.origin}/setup`)
    await page.getByLabel('Code', { exact: true }).fill(await host.code(), { timeout: 5000 })
    await page.getByRole('button', { name: 'Go on', exact: true }).click({ timeout: 5000 })
    await expect(page.getByRole('navigation', { name: 'Pages of the setup' })).toBeVisible({ timeout: 5000 })
  }).toPass({ timeout: 90_000 })
  return page
}

/** As the page itself asks; a daemon that is just starting again is asked once more. */
async function api(page: Page, method: string, path: string, body?: unknown): Promise<unknown> {
  let answer: unknown
  await expect(async () => {
    const { status, text } = await page.evaluate(
      async ([how, where, what]) => {
        const got = await fetch(where ?? '', {
          method: how ?? '',
          ...(what !== '' && {
            body: what ?? '',
            headers: { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() },
          }),
        })
        return { status: got.status, text: await got.text() }
      },
      [method, path, body === undefined ? '' : JSON.stringify(body)],
    )
    expect(status, text).toBeLessThan(300)
    answer = text === '' ? undefined : JSON.parse(text)
  }).toPass({ timeout: 60_000 })
  return answer
}

const viewOf = async (page: Page): Promise<View> => wizardSchema.parse(await api(page, 'GET', '/v1/setup/wizard'))
const heading = (page: Page, name: string) => page.getByRole('heading', { level: 2, name, exact: true })

async function dieAndClose(page: Page, host: WizardStand): Promise<void> {
  host.killDaemon()
  await page.context().close()
}

test(`W6 W11 W12 X7 after ${all ? 'every page' : 'every fourth page'}, the review and in the run the daemon is killed and the browser closed: another one stands at the first open page, all answers and the log kept, one contract`, async ({
  browser,
  host,
}) => {
  test.setTimeout(600_000)
  const answers = answersFor(host)
  const kept = new Map<string, unknown>()
  let page = await reopen(browser, host)
  const asked = (await viewOf(page)).sections.filter(({ state }) => state === 'open').map(({ name }) => name)
  expect(asked.length).toBeGreaterThan(5)
  for (const [at, name] of asked.entries()) {
    await expect(heading(page, setupEn[`setup.section.${name}`])).toBeVisible({ timeout: 60_000 })
    const { sections, next } = await viewOf(page)
    expect(next).toBe(name)
    for (const [before, value] of kept) expect(sections.find((one) => one.name === before)?.value, before).toEqual(value)
    const value = answers[name]
    if (value === undefined) throw new TypeError(`the page ${name} has no example here`)
    const saved = (await api(page, 'PUT', `/v1/setup/answers/${name}`, { revision: 0, value })) as { value: unknown }
    kept.set(name, saved.value)
    // else the page that is open follows to the next one by itself; the last is cut off at the review
    if ((at + 1) % every === 0 && (all || at + 1 < asked.length)) {
      await dieAndClose(page, host)
      page = await reopen(browser, host)
    }
  }

  await expect(heading(page, 'What will be changed')).toBeVisible({ timeout: 60_000 })
  await dieAndClose(page, host)
  page = await reopen(browser, host)
  await expect(heading(page, 'What will be changed')).toBeVisible({ timeout: 60_000 })
  expect((await viewOf(page)).task).toBeNull()
  await page.getByRole('button', { name: 'Confirm and set up' }).click()
  await expect(page.getByText('Sign the deployment with your wallet')).toBeVisible({ timeout: 60_000 })
  const { task } = await viewOf(page)
  await dieAndClose(page, host)

  page = await reopen(browser, host)
  await expect(heading(page, 'Setting up')).toBeVisible({ timeout: 60_000 })
  // the log of what went before is there again
  await expect(page.getByText('programs, room and ports are there').first()).toBeVisible({ timeout: 60_000 })
  await expect(page.getByText('Sign the deployment with your wallet')).toBeVisible({ timeout: 60_000 })
  const again = await viewOf(page)
  expect(again.task?.taskId).toBe(task?.taskId)
  // signed and sent; before anybody told the host, both are gone
  const { to, data } = again.wallet ?? { to: null, data: '0x' }
  await host.rpc('eth_sendTransaction', { from: owner, data, ...(to !== null && { to }) })
  await dieAndClose(page, host)

  const visitor = await (await browser.newContext()).newPage()
  await expect(async () => {
    await visitor.goto(host.origin)
    await expect(visitor.getByRole('heading', { name: 'Small' })).toBeVisible({ timeout: 5000 })
  }).toPass({ timeout: 120_000 })
  await visitor.goto(`${host.origin}/setup`)
  await expect(visitor.getByRole('heading', { name: 'The host is set up' })).toBeVisible()
  await expect(visitor.getByRole('link', { name: 'Sign in with the owner’s wallet' })).toHaveAttribute(
    'href',
    `${host.origin}/operator`,
  )
  const logs = (await host.rpc('eth_getLogs', { fromBlock: '0x0', toBlock: 'latest', topics: minted })) as unknown[]
  expect(logs).toHaveLength(1)
  await visitor.context().close()
})
