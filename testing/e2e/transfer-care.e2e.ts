import { expect, signIn, signedIn, test } from './fixtures.ts'
import type { PagesStand } from '../stands/pages-api.ts'

const transferred = async (stand: PagesStand) => (await stand.buyAndGive(stand.wallet(5), stand.wallet(8))).vmId

test('L5 S12 the new holder’s first page says that another was root, and keep is remembered', async ({
  page,
  stand,
  useWallet,
}) => {
  const vmId = await transferred(stand)
  await useWallet([8])
  await signIn(page, stand)
  const card = page.getByRole('article', { name: `vm-${vmId.split('-')[1]}`, exact: true })
  await expect(card.getByText('Another wallet was root here before you.', { exact: false })).toBeVisible()
  await page.getByRole('link', { name: `Manage vm-${vmId.split('-')[1]}`, exact: true }).click()
  await expect(page.getByText('Another wallet was root in this VM')).toBeVisible()
  await expect(page.getByText('Nothing but a reinstall rules that out.', { exact: false })).toBeVisible()
  await expect(page.getByRole('button', { name: 'Copy Former holder' })).toBeVisible()
  await page.getByRole('button', { name: 'Keep it as it is' }).click()
  await expect(page.getByText('Another wallet was root in this VM')).toHaveCount(0)
  await page.reload()
  await expect(page.getByText('Running', { exact: true })).toBeVisible()
  await expect(page.getByText('Another wallet was root in this VM')).toHaveCount(0)
})

test('L5 X7 X9 reinstall wants the name and the signature, shows its steps, and leaves nothing of the former holder', async ({
  page,
  stand,
  useWallet,
}) => {
  const vmId = await transferred(stand)
  const wallet = await useWallet([8])
  await signedIn(page, stand)
  await page.goto(`${stand.origin}/vms/${vmId}`)
  const command = await page.getByRole('group', { name: 'SSH command' }).textContent()
  await page.getByRole('button', { name: 'Reinstall…' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel(/^Type vm-/).fill(`vm-${vmId.split('-')[1]}`)
  stand.world.deliveryHeld = true
  await dialog.getByRole('button', { name: 'Sign and reinstall' }).click()
  await expect(page.getByText(/^Step \d of 7: /)).toBeVisible()
  await page.reload()
  await expect(page.getByText('Step 4 of 7: Making the disk')).toBeVisible()
  stand.world.deliveryHeld = false
  await expect(page.getByText('Running', { exact: true })).toBeVisible()
  await expect(page.getByText('Another wallet was root in this VM')).toHaveCount(0)
  expect(await page.getByRole('group', { name: 'SSH command' }).textContent()).toBe(command)
  const signed = wallet.calls.findLast((c) => c.method === 'personal_sign')?.params[0]
  expect(Buffer.from(String(signed).slice(2), 'hex').toString()).toContain('freehold:act:reinstall')
  expect((await stand.world.vm(BigInt(vmId.split('-')[1] ?? 0)))?.generation).toBe(2)
})
