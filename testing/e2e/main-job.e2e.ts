import { expect, test as base } from '@playwright/test'
import { sshLogin } from '@freehold/appliance/dev/ssh-login'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { readSshBanner } from '@freehold/appliance/network/ssh-banner'
import { startStand } from '../stands/embedded.ts'
import { injectWallet } from '../stands/wallet.ts'

/** Where the product runs: named by the environment, else started here on real parts. */
interface Product {
  origin: string
  rpcUrl: string
  /** Private key of the buyer. */
  key: string
}

const test = base.extend<object, { product: Product }>({
  product: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
    async ({}, use) => {
      const [origin, rpcUrl] = [process.env['FREEHOLD_ORIGIN'], process.env['FREEHOLD_RPC']]
      const key = process.env['FREEHOLD_DEV_KEY'] ?? devWallet(6).privateKey
      if (origin !== undefined && rpcUrl !== undefined) return await use({ origin, rpcUrl, key })
      const stand = await startStand({ pages: true, hypervisor: 'libvirt' })
      await use({ origin: stand.origin, rpcUrl: stand.rpcUrl, key })
      await stand.stop()
    },
    { scope: 'worker', timeout: 25 * 60_000 },
  ],
})

test('S6 S9 A1 A7 T1 T2 O6 buy in the browser, watch it get ready, approve a real ssh, and a shell opens; the console mends what ssh cannot', async ({
  page,
  product,
  context,
}) => {
  test.setTimeout(10 * 60_000)
  await injectWallet(page, { rpcUrl: product.rpcUrl, keys: [product.key] })
  await page.goto(product.origin)
  await page.getByRole('link', { name: 'Choose Small' }).click()
  await page.getByRole('radio', { name: '7 days' }).check()
  await page.getByRole('button', { name: 'Review the purchase' }).click()
  await page.getByRole('button', { name: 'Test Wallet' }).click()
  await page.getByRole('button', { name: /^Pay/ }).click()
  await expect(page).toHaveURL(/tx=0x/)
  await expect(page.getByText('Your VM is ready')).toBeVisible({ timeout: 8 * 60_000 })
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  const command = (await page.getByRole('group', { name: 'SSH command' }).textContent()) ?? ''
  const knownHostsLine = (await page.getByRole('group', { name: 'Line for known_hosts' }).textContent()) ?? ''
  const [, port, user, host] = /^ssh(?: -p (\d+))? (\w+)@(\S+)$/.exec(command) ?? []

  const login = await sshLogin({
    host: host ?? '',
    port: Number(port ?? 22),
    user: user ?? '',
    knownHostsLine,
    command: ['echo', 'the shell is open:', '$(whoami)'],
    async onUrl(url, prompt) {
      const signIn = await context.newPage()
      await injectWallet(signIn, { rpcUrl: product.rpcUrl, keys: [product.key] })
      await signIn.goto(url)
      const code = /Code ([0-9A-Z]{4}-[0-9A-Z]{4})/.exec(prompt)?.[1] ?? 'the terminal shows no code'
      await expect(signIn.getByRole('definition').filter({ hasText: code })).toBeVisible()
      await signIn.getByRole('button', { name: 'Approve with your wallet' }).click()
      // on a host that is running already, where another wallet's VM shares its loopback, the terminal asks for the reply code
      const asks = signIn.getByText('Type this reply code into your terminal')
      await expect(signIn.getByText('Go back to the terminal and press Enter.', { exact: false }).or(asks)).toBeVisible()
      const reply = (await asks.isVisible())
        ? await signIn
            .getByText(/^[0-9A-Z]{4}-[0-9A-Z]{4}$/)
            .first()
            .textContent()
        : null
      await signIn.close()
      return reply ?? ''
    },
  })
  expect(login.stdout).toContain('the shell is open: owner')
  expect(login.exitCode).toBe(0)

  // break-glass (O6, S13): sshd and with it the module are stopped and the network is down; the serial line still opens
  const { items } = (await (await page.request.get(`${product.origin}/v1/vms`)).json()) as { items: { vmId: string }[] }
  const glass = await context.newPage()
  await injectWallet(glass, { rpcUrl: product.rpcUrl, keys: [product.key] })
  await glass.goto(`${product.origin}/vms/${items[0]?.vmId}/console`)
  await glass.getByRole('button', { name: 'Sign and open the console' }).click()
  await expect(glass.getByText('Open', { exact: true })).toBeVisible()
  const shows = (text: string | RegExp) =>
    expect(glass.getByRole('listitem').filter({ hasText: text }).first()).toBeVisible({ timeout: 60_000 })
  await glass.keyboard.press('Enter')
  await shows(/owner@vm-\d+:~\$/)
  await glass.keyboard.type('sudo systemctl stop ssh && sudo ip link set eth0 down && echo "door $((40 + 2))"\n')
  await shows(/^door 42/)
  const door = { host: host ?? '', port: Number(port ?? 22) }
  expect(await readSshBanner(door, 3000)).toBeUndefined()
  await glass.keyboard.type('sudo ip link set eth0 up && sudo systemctl start ssh && echo "mended $((40 + 2))"\n')
  await shows(/^mended 42/)
  await expect.poll(() => readSshBanner(door, 3000), { timeout: 30_000 }).toBeDefined()
  await glass.getByRole('button', { name: 'Close the console' }).click()
  await expect(glass.getByText('The console is closed')).toBeVisible()
})
