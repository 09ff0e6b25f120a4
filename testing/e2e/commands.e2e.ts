import { axeFinds } from './axe.ts'
import { expect, settled, test } from './invented-fixture.ts'

test('X23 X12 Ctrl+K and ? list what the page can do, and do the very same as its buttons', async ({ page, stand }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' })
  const list = page.getByRole('dialog', { name: 'Commands and keys' })
  const find = list.getByLabel('Find a command')
  await page.goto(`${stand.origin}/operator/vms`)
  await settled(page)
  await page.keyboard.press('Control+k')
  await expect(find).toBeFocused()
  expect(await axeFinds(page, 'whole')).toEqual([])
  await page.keyboard.press('Escape')
  await expect(list).toHaveCount(0)

  // a link, by its name and Enter
  await page.keyboard.press('Control+k')
  await expect(find).toBeFocused()
  await page.keyboard.type('plans on')
  await expect(list.getByText('1 command', { exact: true })).toBeVisible()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1, name: 'Plans on sale' })).toBeVisible()

  // a button that is off says why here too, and Enter passes it by
  await settled(page)
  await page.keyboard.press('?')
  await expect(find).toBeFocused()
  await page.keyboard.type('add the plan')
  const add = list.getByRole('button', { name: 'Add the plan' })
  await expect(add).toHaveAttribute('aria-disabled', 'true')
  await expect(add).toHaveAccessibleDescription('Connect a wallet and try again.')
  await page.keyboard.press('Enter')
  await expect(list).toBeVisible()
  await page.keyboard.press('Escape')
})

test('X23 the key ? writes itself in a field, and can be turned off; a button opens the list as well', async ({
  page,
  stand,
}) => {
  const list = page.getByRole('dialog', { name: 'Commands and keys' })
  await page.goto(`${stand.origin}/operator/vms`)
  await settled(page)
  await page.getByLabel('Search').focus()
  await page.keyboard.type('?')
  await expect(page.getByLabel('Search')).toHaveValue('?')
  await expect(list).toHaveCount(0)
  await page.getByRole('button', { name: 'Commands and keys' }).click()
  await list.getByLabel('The key ? opens this list').uncheck()
  await list.getByRole('button', { name: 'Close the list' }).click()
  await expect(list).toHaveCount(0)
  await page.reload()
  await settled(page)
  await page.getByRole('heading', { level: 1 }).click()
  await page.keyboard.press('?')
  await page.getByLabel('Search').fill('small')
  await expect(page).toHaveURL(/q=small/)
  await expect(list).toHaveCount(0)
  await page.keyboard.press('Control+k')
  await expect(list.getByLabel('The key ? opens this list')).not.toBeChecked()
})
