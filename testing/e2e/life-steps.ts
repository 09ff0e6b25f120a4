import { JsonRpcProvider, Wallet } from 'ethers'
import { expect, type Page } from '@playwright/test'

/** The `ssh` line as the page shows it, taken apart. */
export interface Door {
  host: string
  port: number
  user: string
  knownHostsLine: string
}

export async function shownDoor(page: Page): Promise<Door> {
  const command = (await page.getByRole('group', { name: 'SSH command' }).textContent()) ?? ''
  const knownHostsLine = (await page.getByRole('group', { name: 'Line for known_hosts' }).textContent()) ?? ''
  const [, port, user, host] = /^ssh(?: -p (\d+))? (\w+)@(\S+)$/.exec(command) ?? []
  return { host: host ?? '', port: Number(port ?? 22), user: user ?? '', knownHostsLine }
}

/** On the page of a VM that was bought for seven days at 0.001 a day: ten more are paid. */
export async function renew(page: Page): Promise<void> {
  await expect(page.getByText(/in [67] days/).first()).toBeVisible()
  await page.getByLabel('Days to add').fill('10')
  await page.getByRole('button', { name: /^Extend for 0.01/ }).click()
  await expect(page.getByText('Extended.', { exact: false })).toBeVisible({ timeout: 120_000 })
  await expect(page.getByText(/in 1[67] days/).first()).toBeVisible({ timeout: 60_000 })
}

/** Types the name, signs, and waits for the fresh guest: the same address, and a host key that it made. */
export async function reinstall(page: Page, vmId: string): Promise<Door> {
  const before = await shownDoor(page)
  await page.getByRole('button', { name: 'Reinstall' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel(/^Type vm-/).fill(`vm-${vmId.split('-')[1]}`)
  await dialog.getByRole('button', { name: 'Sign and reinstall' }).click()
  await expect(page.getByText('Reinstall has begun.')).toBeVisible()
  await expect(async () => {
    const line = page.getByRole('group', { name: 'Line for known_hosts' })
    await expect(line).toBeVisible({ timeout: 1000 })
    await expect(line).not.toHaveText(before.knownHostsLine, { timeout: 1000 })
  }).toPass({ timeout: 8 * 60_000 })
  const after = await shownDoor(page)
  expect({ ...after, knownHostsLine: '' }).toEqual({ ...before, knownHostsLine: '' })
  return after
}

/** Cancels a VM of which seventeen days were paid, and takes the refund out; the coins are the wallet's again. */
export async function cancelAndWithdraw(
  page: Page,
  at: { origin: string; rpcUrl: string; key: string; vmId: string },
): Promise<void> {
  const provider = new JsonRpcProvider(at.rpcUrl, undefined, { staticNetwork: true, cacheTimeout: -1 })
  const { address } = new Wallet(at.key)
  const before = await provider.getBalance(address)
  await page.getByRole('button', { name: 'Cancel the subscription…' }).click()
  const dialog = page.getByRole('dialog')
  // the first day is never paid back
  await expect(dialog).toContainText(/You get back 0\.01[56]\d*\sETH/)
  await dialog.getByLabel(/^Type vm-/).fill(`vm-${at.vmId.split('-')[1]}`)
  await dialog.getByRole('button', { name: 'Cancel and delete the VM' }).click()
  await expect(page.getByText('Cancelled. The refund is under My VMs.')).toBeVisible({ timeout: 120_000 })
  await page.goto(`${at.origin}/my`)
  await page.getByRole('button', { name: /^Withdraw 0\.01/ }).click()
  await expect(page.getByText(/0\.01[56].*was sent to/)).toBeVisible({ timeout: 120_000 })
  // less the network fees of two transactions
  expect(Number((await provider.getBalance(address)) - before) / 1e18).toBeGreaterThan(0.014)
  provider.destroy()
}
