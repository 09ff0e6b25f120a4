import { join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import { backupStand } from '@freehold/appliance/backup/test-stand'
import { newRecoveryKey } from '@freehold/appliance/backup/keys'
import { expect, test } from '@playwright/test'
import { startWizardStand } from '../stands/wizard-stand.ts'
import { sidewaysScroll } from './fixtures.ts'

test('W5 W6 a machine is restored from a sealed backup in the browser: another key is refused, the right one fills every page, and the code is not asked again', async ({
  page,
}) => {
  test.setTimeout(240_000)
  const [former, host] = [await backupStand(), await startWizardStand()]
  try {
    const { name } = await former.open().make()
    const entered = async () => {
      const answer = await page.request.get(`${host.origin}/v1/setup/wizard`)
      return (await answer.json()) as {
        sections: { name: string; state: string; value: { roles?: { owner?: string } } | null }[]
      }
    }
    await page.goto(`${host.origin}/setup`)
    await page.getByRole('radio', { name: /Restore from a backup/ }).check()
    await page.getByLabel('Code', { exact: true }).fill(await host.code())
    await page.getByRole('button', { name: 'Go on', exact: true }).click()
    await page.getByRole('radio', { name: /already/ }).check()
    const restore = page.getByRole('button', { name: 'Restore', exact: true })
    await expect(restore).toHaveAccessibleDescription('Choose the backup first.')
    const { violations } = await new AxeBuilder({ page }).analyze()
    expect(violations.map((v) => `${v.id} ${v.nodes.map((n) => n.html).join(' | ')}`)).toEqual([])
    await page.setViewportSize({ width: 320, height: 800 })
    expect(await sidewaysScroll(page)).toBeLessThanOrEqual(0)
    await page.setViewportSize({ width: 1280, height: 800 })

    await page.getByLabel('Backup', { exact: true }).setInputFiles(join(former.drive, name))
    await expect(restore).toHaveAccessibleDescription('The backup opens with its key only.')
    await page.getByLabel('Recovery key or passphrase').fill((await newRecoveryKey()).identity)
    await restore.click()
    await expect(page.getByRole('alert').filter({ hasText: 'backup-key-wrong' })).toBeFocused()
    expect((await entered()).sections.find((one) => one.name === 'people')?.state).toBe('open')

    await page.getByLabel('Recovery key or passphrase').fill(former.key.identity)
    await restore.click()
    await expect
      .poll(
        async () => (await entered().catch(() => undefined))?.sections.find((one) => one.name === 'people')?.value?.roles?.owner,
        {
          timeout: 120_000,
        },
      )
      .toBe('0x70997970C51812dc3A010C7d01b50e0d17dc79C8')
    await expect(page.getByRole('navigation', { name: 'Pages of the setup' })).toBeVisible()
    await expect(page.getByLabel('Code', { exact: true })).toHaveCount(0)
  } finally {
    await host.stop()
    await former.close()
  }
})
