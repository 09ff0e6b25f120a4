import { test as base, expect, type Page } from '@playwright/test'
import { startInstalledWizard, type InstalledWizardStand } from '../stands/installed-wizard.ts'
import { perWorker } from './per-worker.ts'

const test = base.extend<object, { host: InstalledWizardStand }>({
  // the first certificate is vouched for by nobody
  // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
  ignoreHTTPSErrors: async ({}, use) => use(true),
  host: perWorker(startInstalledWizard, 240_000),
})

const section = (page: Page, name: string) => page.getByRole('heading', { level: 2, name, exact: true })
const save = (page: Page) => page.getByRole('button', { name: 'Save and go on' }).click()
const byBroker = (page: Page) => page.getByRole('radio', { name: /By a broker of public IPv6/ })

/** Answers of pages that other tests are about. */
async function put(page: Page, section: string, value: Record<string, unknown>): Promise<void> {
  await page.evaluate(
    async ([name, body]) => {
      const view = (await (await fetch('/v1/setup/wizard')).json()) as { sections: { name: string; revision: number }[] }
      const revision = view.sections.find((one) => one.name === name)?.revision ?? 0
      const answer = await fetch(`/v1/setup/answers/${name}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ revision, value: JSON.parse(body ?? '') as unknown }),
      })
      if (!answer.ok) throw new Error(await answer.text())
    },
    [section, JSON.stringify(value)],
  )
}

test('W14 W8 a certificate proven by a broker (DNS-01): no port 80 is asked, and without a broker it is refused by name', async ({
  page,
  host,
}) => {
  test.setTimeout(240_000)
  await page.goto(`${host.origin}/setup`)
  await page.getByLabel('Code', { exact: true }).fill(await host.code())
  await page.getByRole('button', { name: 'Go on' }).click()
  await expect(page.getByRole('navigation', { name: 'Pages of the setup' })).toBeVisible()
  await put(page, 'uplink', { uplink: null })
  await put(page, 'address', { origin: 'https://box.vm.example' })

  await page.goto(`${host.origin}/setup?page=tls`)
  await expect(section(page, 'Certificate')).toBeVisible()
  await page.getByText('From a public authority (ACME)').click()
  await expect(page.getByRole('radio', { name: /Over port 80 of this host/ })).toBeChecked()
  await page.getByLabel('Directory of the authority').fill(host.acme.directory)
  await page.getByRole('checkbox', { name: 'I have read and accept the terms of the authority.' }).check()
  // the way over port 80 asks this machine itself, and says that it does not lead back
  await expect(page.getByText(/did not lead back here when this machine asked itself/)).toBeVisible({ timeout: 60_000 })
  await byBroker(page).check()
  await expect(page.getByText(/did not lead back here/)).toHaveCount(0, { timeout: 60_000 })
  await save(page)
  await expect(section(page, 'Certificate')).toHaveCount(0)
  await page.goto(`${host.origin}/setup?page=tls`)
  await expect(byBroker(page)).toBeChecked()

  const { directory, authorityFile } = host.acme
  await put(page, 'tls', { tls: { kind: 'acme', directory, authorityFile, termsAgreed: true, proof: 'broker' } })
  const [owner, treasury] = ['0x70997970C51812dc3A010C7d01b50e0d17dc79C8', '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC']
  await put(page, 'chain', { chain: { chainId: 31337, rpcUrls: [host.chain.url], confirmations: 1 }, publicChain: true })
  await put(page, 'people', { roles: { owner, treasury }, deployment: 'key' })
  await put(page, 'hypervisor', { hypervisor: { kind: 'fake', createSeconds: 0 } })
  await put(page, 'network', { network: {} })
  await put(page, 'template', { template: {} })
  const plan = { name: 'Small', vcpus: 1, memoryMiB: 512, diskGiB: 4, graceDays: 7, capacity: 4, prices: { native: '1000' } }
  await put(page, 'plans', { plans: [plan] })
  await put(page, 'backup', { backup: {} })

  await page.goto(`${host.origin}/setup?page=review`)
  await expect(page.getByText(/a broker proves the name only where/).first()).toBeVisible({ timeout: 60_000 })
  await expect(page.getByText('A certificate for box.vm.example is asked for')).toHaveCount(0)

  await page.goto(`${host.origin}/setup?page=network`)
  await expect(section(page, 'Guest network')).toBeVisible()
  await page.getByText('A broker gives a prefix').click()
  await page.getByLabel('Contract with the list of brokers').fill('0x5FbDB2315678afecb367f032d93F642f64180aa3')
  await save(page)
  await expect(section(page, 'Guest network')).toHaveCount(0)
  await page.goto(`${host.origin}/setup?page=review`)
  await expect(page.getByText('A certificate for box.vm.example is asked for at localhost')).toBeVisible({ timeout: 60_000 })
  await expect(page.getByText(/a broker proves the name only where/)).toHaveCount(0)
})
