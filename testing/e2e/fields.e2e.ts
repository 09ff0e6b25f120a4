import type { Page } from '@playwright/test'
import { expect, signIn, test } from './fixtures.ts'

/** Fields of the page whose label nobody sees, by what they are. A placeholder is no label. */
async function unlabelled(page: Page): Promise<string[]> {
  return (await page.evaluate(`(() => {
    const fields = [...document.querySelectorAll('input, select, textarea')]
    if (fields.length === 0) return ['there is no field on this page']
    return fields
      // the terminal's own field takes keys, and is named by the frame around it
      .filter((field) => field.type !== 'hidden' && field.offsetParent !== null)
      .filter((field) => ![...(field.labels ?? [])].some((label) => {
        const box = label.getBoundingClientRect()
        return label.innerText.trim().length > 1 && box.width > 8 && box.height > 8
      }))
      .map((field) => field.outerHTML.slice(0, 120))
  })()`)) as string[]
}

test('X14 every field has a label that is seen; hint and error are tied to it; what was copied can be pasted', async ({
  page,
  stand,
  useWallet,
  context,
}) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  const vmId = await stand.buy(stand.wallet(5))
  await useWallet([5])
  await page.goto(`${stand.origin}/plans/0?days=200&to=nobody`)
  const days = page.getByLabel('Days', { exact: true })
  await expect(days).toHaveAttribute('aria-invalid', 'true')
  expect(await unlabelled(page)).toEqual([])
  await expect(days).toHaveAccessibleDescription(/Enter a whole number of days/)
  await page.getByRole('button', { name: 'Review the purchase' }).click()
  await expect(page.getByLabel('Address', { exact: true })).toHaveAccessibleDescription(/This is not an address/)

  await signIn(page, stand)
  await page.goto(`${stand.origin}/vms/${vmId}`)
  await expect(page.getByLabel('Days to add')).toBeVisible()
  expect(await unlabelled(page)).toEqual([])
  await page.getByLabel('Days to add').fill('200')
  await expect(page.getByLabel('Days to add')).toHaveAccessibleDescription(/whole number of days/)

  await page.goto(`${stand.origin}/s/${await stand.askShell(vmId)}`)
  await page.locator('summary').click()
  expect(await unlabelled(page)).toEqual([])
  const signature = page.getByLabel('Signature', { exact: true })
  await expect(signature).toHaveAccessibleDescription(/.{10,}/)
  for (const [field, text] of [
    [page.getByLabel('Address that signs'), stand.wallet(5).address],
    [signature, `0x${'ab'.repeat(65)}`],
  ] as const) {
    await page.evaluate(`navigator.clipboard.writeText(${JSON.stringify(text)})`)
    await field.focus()
    await page.keyboard.press('Control+V')
    await expect(field).toHaveValue(text)
  }
})
