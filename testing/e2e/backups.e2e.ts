import { sentinelFolder } from '@freehold/appliance/backup/played-backups'
import { changing as test, expect } from './invented-fixture.ts'

test('O7 each backup says what it holds and when it was last proven readable; one is made, read back and taken elsewhere', async ({
  page,
  stand,
}) => {
  await page.goto(`${stand.origin}/operator/backups`)
  await expect(page.getByRole('heading', { level: 1, name: 'Backups' })).toBeVisible()
  const table = page.getByRole('table', { name: 'Backups' })
  await expect(table.getByRole('row')).toHaveCount(8)
  const newest = table.getByRole('row').nth(1)
  await expect(newest).toContainText('3 VMs, 12 files')
  await expect(newest).toContainText('readable')
  await expect(page.getByText('Disks of VMs, the guest image, and the provisioner’s key')).toBeVisible()

  await page.getByRole('button', { name: 'Make a backup now' }).click()
  await expect(page.getByText('Read back: every byte is as it was sealed.')).toBeVisible()
  await expect(table.getByRole('row')).toHaveCount(9)
  await newest.getByRole('button', { name: /^Read back/ }).click()
  await expect(page.getByRole('status').filter({ hasText: 'every byte' })).toBeVisible()
  const [download] = await Promise.all([page.waitForEvent('download'), newest.getByRole('link', { name: /^Download/ }).click()])
  expect(download.suggestedFilename()).toMatch(/^freehold-[0-9a-f]{12}-\d{8}T\d{6}Z\.tar\.gz\.age$/)
})

test('O7 X5 a backup that fails says why and what to do; without any the page says how the first one comes', async ({
  page,
  stand,
}) => {
  const { world } = stand.host.backups
  const before = structuredClone(world)
  try {
    Object.assign(world, { sealedTo: null, backups: [], staysHere: true })
    await page.goto(`${stand.origin}/operator/backups`)
    await expect(page.getByText('No backups yet')).toBeVisible()
    const make = page.getByRole('button', { name: 'Make a backup now' })
    await expect(make).toHaveAttribute('aria-disabled', 'true')
    await expect(make).toHaveAccessibleDescription('Nobody is named who could open a backup')
    Object.assign(world, { sealedTo: 'recovery-key', folder: sentinelFolder })
    await page.reload()
    await expect(page.getByText('The backups lie on this host alone')).toBeVisible()
    await page.getByRole('button', { name: 'Make a backup now' }).click()
    await expect(page.getByRole('alert').filter({ hasText: 'backup-folder-missing' })).toBeFocused()
    await expect(page.getByText(/^The last backup failed/)).toBeVisible()
  } finally {
    Object.assign(world, before)
  }
})
