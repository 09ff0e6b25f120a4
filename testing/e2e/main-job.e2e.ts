import { expect, test as base, type BrowserContext } from '@playwright/test'
import { sshLogin } from '@freehold/appliance/dev/ssh-login'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { readSshBanner } from '@freehold/appliance/network/ssh-banner'
import { factsOfPage, factsOfPrompt, factsOfText } from './sign-in-facts.ts'
import { cancelAndWithdraw, reinstall, renew, shownDoor, type Door } from './life-steps.ts'
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

/** A real `ssh` by the shown line, approved in a page of its own; page, terminal and wallet name the same facts (A1). */
async function logIn(context: BrowserContext, product: Product, door: Door, command: string[]) {
  return await sshLogin({
    ...door,
    command,
    async onUrl(url, prompt) {
      const signIn = await context.newPage()
      const wallet = await injectWallet(signIn, { rpcUrl: product.rpcUrl, keys: [product.key] })
      await signIn.goto(url)
      await expect(signIn.getByRole('definition').first()).toBeVisible()
      const facts = factsOfPrompt(prompt)
      expect(facts).toMatchObject({ user: door.user, vm: expect.stringMatching(/^[0-9a-f]{12}-\d+$/) })
      expect(await factsOfPage(signIn)).toEqual(facts)
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
      const signed = String(wallet.calls.find(({ method }) => method === 'personal_sign')?.params[0])
      expect(factsOfText(Buffer.from(signed.slice(2), 'hex').toString())).toEqual(facts)
      await signIn.close()
      return reply ?? ''
    },
  })
}

test('S6 S9 A1 A7 T1 T2 O6 buy in the browser, watch it get ready, approve a real ssh, and a shell opens; the console mends what ssh cannot; with --all renew, reinstall, cancel, and the refund withdrawn', async ({
  page,
  product,
  context,
}) => {
  test.setTimeout(30 * 60_000)
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
  const door = await shownDoor(page)
  const login = await logIn(context, product, door, ['touch', 'left-behind', '&&', 'echo', 'the shell is open:', '$(whoami)'])
  expect(login.stdout).toContain('the shell is open: owner')
  expect(login.exitCode).toBe(0)

  // break-glass (O6, S13): sshd is stopped, its PAM module gone and the network down; the serial line still opens
  const { items } = (await (await page.request.get(`${product.origin}/v1/vms`)).json()) as { items: { vmId: string }[] }
  const glass = await context.newPage()
  await injectWallet(glass, { rpcUrl: product.rpcUrl, keys: [product.key] })
  const shows = (text: string | RegExp) =>
    expect(glass.getByRole('listitem').filter({ hasText: text }).first()).toBeVisible({ timeout: 180_000 })
  const openConsole = async () => {
    await glass.goto(`${product.origin}/vms/${items[0]?.vmId}/console`)
    await glass.getByRole('button', { name: 'Sign and open the console' }).click()
    await expect(glass.getByText('Open', { exact: true })).toBeVisible()
    // a line that is just being opened may lose what is typed at once
    await expect(async () => {
      await glass.keyboard.press('Enter')
      const prompt = glass
        .getByRole('listitem')
        .filter({ hasText: /owner@vm-\d+:~\$/ })
        .last()
      await expect(prompt).toBeVisible({ timeout: 5000 })
    }).toPass({ timeout: 180_000 })
  }
  await openConsole()
  const module = '/usr/lib/x86_64-linux-gnu/security/pam_web3.so'
  await glass.keyboard.type(`sudo mv ${module} /root/ && echo "gone $((40 + 1))"\n`)
  await shows(/^gone 41/)
  // nobody can log in any more, and a console still opens
  await glass.getByRole('button', { name: 'Close the console' }).click()
  await expect(glass.getByText('The console is closed')).toBeVisible()
  const refused = await sshLogin({ ...door, async onUrl() {} })
  expect(refused.exitCode).toBe(255)
  await openConsole()
  await glass.keyboard.type('sudo systemctl stop ssh && sudo ip link set eth0 down && echo "door $((40 + 2))"\n')
  await shows(/^door 42/)
  expect(await readSshBanner(door, 3000)).toBeUndefined()
  await glass.keyboard.type(
    `sudo mv /root/pam_web3.so ${module} && sudo ip link set eth0 up && sudo systemctl start ssh && echo "mended $((40 + 2))"\n`,
  )
  await shows(/^mended 42/)
  await expect.poll(() => readSshBanner(door, 3000), { timeout: 120_000 }).toBeDefined()
  await glass.getByRole('button', { name: 'Close the console' }).click()
  await expect(glass.getByText('The console is closed')).toBeVisible()
  if (process.env['FREEHOLD_ALL'] !== '1') return

  // the rest of a life, in the same browser; the reinstall is a second boot of a guest
  const vmId = items[0]?.vmId ?? ''
  await page.goto(`${product.origin}/vms/${vmId}`)
  await renew(page)
  const fresh = await reinstall(page, vmId)
  const again = await logIn(context, product, fresh, ['ls', '&&', 'echo', 'listed as', '$(whoami)'])
  expect(again.stdout).toContain('listed as owner')
  expect(again.stdout, 'the disk is a fresh one').not.toContain('left-behind')
  await cancelAndWithdraw(page, { ...product, vmId })
})
