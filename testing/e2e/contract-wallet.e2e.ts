import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { expect, test as base, type Page } from '@playwright/test'
import { markOf, parseVmId } from '@freehold/appliance/chain/installation'
import { statusSchema } from '@freehold/appliance/api/schemas/status'
import { createClient } from '@freehold/appliance/cli/client'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { loadOrCreateSecrets } from '@freehold/appliance/sign-in/secrets'
import {
  deployMaliciousWallet,
  deploySafe,
  undeployedKeyWallet,
  type ways,
} from '@freehold/appliance/sign-in/test-contract-wallets'
import { TestGuest } from '@freehold/appliance/sign-in/test-guest'
import { vmSecret } from '@freehold/appliance/vms/guest-secrets'
import { until } from '@freehold/appliance/dev/supervisor'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { JsonRpcProvider, Wallet } from 'ethers'
import { z } from 'zod'
import { startStand, type EmbeddedStand } from '../stands/embedded.ts'
import { injectWallet, type ContractAccount } from '../stands/wallet.ts'
import { connect } from './fixtures.ts'

/** The whole product with everything real but the machines; a pass that goes from wallet to wallet. */
interface Host extends EmbeddedStand {
  provider: JsonRpcProvider
  vmId: string
  /** Gives the pass to `to`, whoever has it; resolves when it counts. */
  give(to: string): Promise<void>
  guest: TestGuest
}

const buyer = devWallet(4)
const test = base.extend<object, { host: Host }>({
  host: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
    async ({}, use) => {
      const stand = await startStand({ pages: true, hypervisor: 'fake' })
      const provider = new JsonRpcProvider(stand.rpcUrl, undefined, {
        staticNetwork: true,
        pollingInterval: 100,
        cacheTimeout: -1,
      })
      try {
        const freehold = async (...args: string[]): Promise<string> => {
          const { code, stdout, stderr } = await stand.freehold(...args)
          if (code !== 0) throw new Error(`freehold ${args.join(' ')}: ${stderr}`)
          return stdout
        }
        const bought = await freehold('--json', '--dev-wallet', '4', 'buy', 'Small', '--for', '8d')
        const { vmId } = z.object({ vmId: z.string(), state: z.literal('ready') }).parse(JSON.parse(bought))
        const secrets = await loadOrCreateSecrets(join(stand.stateFolder, 'secrets/sign-in'))
        const guest = new TestGuest(Number(stand.embedded.config.listen.login.split(':').at(-1)), secrets.spkiSha256)
        const key = parseVmId(vmId)
        if (key === undefined) throw new TypeError(`${vmId} is no VM`)
        const mark = markOf({ ...key, generation: 1 })
        guest.bearer = `${mark.slice('freehold:'.length)}.${vmSecret(secrets.master, mark)}`
        const { contracts } = await createClient({ url: stand.origin }).call(statusSchema, 'GET', '/v1/status')
        let holder = buyer.address
        const give = async (to: string) => {
          // the node lets us act for any address: a contract would have to be made to do it
          await provider.send('anvil_impersonateAccount', [holder])
          await provider.send('anvil_setBalance', [holder, '0xde0b6b3a7640000'])
          const from = await provider.getSigner(holder)
          const data = subscriptionsInterface.encodeFunctionData('transferFrom', [holder, to, key.tokenId])
          await (await from.sendTransaction({ to: contracts[0]?.address ?? '', data })).wait()
          await provider.send('anvil_stopImpersonatingAccount', [holder])
          holder = to
          await until('the host to have seen the block', 60, async () => {
            const { body } = await guest.call('GET', '/guest/v1/presence')
            return body['holder'] === to.toLowerCase()
          })
        }
        await use({ ...stand, provider, vmId, give, guest })
        guest.close()
      } finally {
        provider.destroy()
        await stand.stop()
      }
    },
    { scope: 'worker', timeout: 5 * 60_000 },
  ],
})

// a whole product on a shared machine: what it waits for comes, but when is nobody's promise
test.describe.configure({ timeout: 180_000 })

const wallet = (page: Page, host: Host, keys: readonly string[], contracts: readonly ContractAccount[] = []) =>
  injectWallet(page, { rpcUrl: host.rpcUrl, keys, contracts })

interface Asked {
  id: string
  url: string
}

/** The VM asks for a shell, as its PAM module does, for somebody at another address than the browser's. */
async function ask(host: Host): Promise<Asked> {
  const nonce = randomBytes(16).toString('hex')
  const { status, body } = await host.guest.call('POST', '/guest/v1/login-requests', {
    nonce,
    user: 'owner',
    source: '203.0.113.7',
  })
  expect(status, JSON.stringify(body)).toBeLessThan(300)
  return z.object({ id: z.string(), url: z.string() }).parse(body)
}
/** Where the sign-in of a link stands. The VM itself would wait for an answer. */
async function stateOf(url: string): Promise<unknown> {
  const response = await fetch(url.replace('/s/', '/v1/login-requests/'))
  return z.object({ state: z.string() }).parse(await response.json()).state
}
const approve = (page: Page) => page.getByRole('button', { name: 'Approve with your wallet' })

/** What the page shows after signing goes back through the VM, as a person would type it at the prompt; what the VM gets then. */
async function reply(page: Page, host: Host, { id, url }: Asked): Promise<unknown> {
  await expect(page.getByText('Type this reply code into your terminal')).toBeVisible()
  expect(await stateOf(url)).toBe('needs-reply')
  const code = page.getByText(/^[0-9A-Z]{4}-[0-9A-Z]{4}$/).first()
  return (await host.guest.call('POST', `/guest/v1/login-requests/${id}/reply`, { reply: await code.textContent() })).body
}

/** What the host vouches for in its statement, which binds it for the VM. */
function vouched(answer: unknown): { signer: string; verifiedBy: string } {
  const { signer, statement } = z
    .object({ state: z.literal('approved'), signer: z.string(), statement: z.looseObject({ verifiedBy: z.string() }) })
    .parse(answer, { error: () => JSON.stringify(answer) })
  return { signer: signer.toLowerCase(), verifiedBy: statement.verifiedBy }
}

test('L7 S12 the pass moves: the former holder’s open page loses its rights at the next request, though its session stands', async ({
  page,
  host,
}) => {
  await wallet(page, host, [buyer.privateKey])
  await page.goto(`${host.origin}/my`)
  await connect(page)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  const name = `vm-${host.vmId.split('-')[1]}`
  await page.getByRole('link', { name: `Manage ${name}`, exact: true }).click()
  await expect(page.getByText('Running', { exact: true })).toBeVisible()
  const command = page.getByRole('group', { name: 'SSH command' })
  await expect(command).toBeVisible()
  const asked = async (path: string) => await page.evaluate(async (to) => (await fetch(to)).status, `${host.origin}/v1/${path}`)
  expect(await asked(`vms/${host.vmId}`)).toBe(200)

  await host.give(devWallet(5).address)
  // the very next one, with the same cookie: a session proves an address, nothing else
  expect(await asked(`vms/${host.vmId}`)).toBe(404)
  expect(await asked('sessions')).toBe(200)
  // and by itself, without a reload
  await expect(command).toHaveCount(0)
  await expect(page.getByText('Running', { exact: true })).toHaveCount(0)
  await page.goto(`${host.origin}/my`)
  await expect(page.getByRole('button', { name: 'Sign out' })).toBeVisible()
  await expect(page.getByRole('link', { name: `Manage ${name}`, exact: true })).toHaveCount(0)
})

test('A6 L8 a multisignature wallet that holds the pass approves a login and signs in', async ({ page, host }) => {
  const owners = [6, 7, 9].map((i) => new Wallet(devWallet(i).privateKey))
  const safe = await deploySafe(await host.provider.getSigner(8), owners)
  await host.give(safe.address)
  let by = owners.slice(0, 1)
  await wallet(page, host, [], [{ address: safe.address, sign: (text) => safe.sign(text, by) }])
  const asked = await ask(host)
  await page.goto(asked.url)
  await connect(page)
  // one of the two that it takes: the contract says no
  await approve(page).click()
  await expect(page.getByRole('alert').filter({ hasText: 'signature-invalid' })).toBeFocused()
  expect(await stateOf(asked.url)).toBe('waiting')
  by = owners.slice(0, 2)
  await approve(page).click()
  expect(vouched(await reply(page, host, asked))).toEqual({ signer: safe.address.toLowerCase(), verifiedBy: 'erc1271' })

  await page.goto(`${host.origin}/my`)
  await connect(page)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await expect(page.getByText('Another wallet was root here before you.', { exact: false })).toBeVisible()
})

test('A6 L8 a wallet that is not deployed yet approves a login', async ({ page, host }) => {
  const key = new Wallet(devWallet(6).privateKey)
  const later = await undeployedKeyWallet(await host.provider.getSigner(8), key)
  await host.give(later.address)
  await wallet(page, host, [], [{ address: later.address, sign: (text) => later.sign(text) }])
  const asked = await ask(host)
  await page.goto(asked.url)
  await connect(page)
  await approve(page).click()
  expect(vouched(await reply(page, host, asked))).toEqual({ signer: later.address.toLowerCase(), verifiedBy: 'erc6492' })
})

test('A6 L8 wallets that revert, burn gas or answer junk are denied on the page, and learn nothing', async ({ page, host }) => {
  const odd = await deployMaliciousWallet(await host.provider.getSigner(8))
  await host.give(odd.address)
  await wallet(page, host, [], [{ address: odd.address, sign: () => Promise.resolve('0x1234') }])
  const { url } = await ask(host)
  await page.goto(url)
  await connect(page)
  const junk: (keyof typeof ways)[] = ['a revert', 'burnt gas', 'the boolean true', 'yes after a write']
  for (const way of junk) {
    await odd.become(way)
    const [response] = await Promise.all([page.waitForResponse(/\/approval$/), approve(page).click()])
    expect(response.status(), way).toBe(400)
    await expect(page.getByRole('alert').filter({ hasText: 'signature-invalid' }), way).toBeFocused()
    expect(await stateOf(url), way).toBe('waiting')
  }
})
