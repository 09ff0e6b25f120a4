import { test as base, expect, type Page } from '@playwright/test'
import { startInventedStand, type InventedStand } from '@freehold/appliance/dev/invented/invented-stand'
import { perWorker } from './per-worker.ts'

/** The demo as a visitor has it: read-only, one VM of every state among the visitor's own. One for all files that take it. */
export const test = base.extend<object, { stand: InventedStand }>({
  stand: perWorker(() => startInventedStand({ port: 0, readOnly: true }), 240_000),
})

/** The same host, where changes are allowed. One for all files that take it: what a test adds or ends is looked for by its name. */
export const changing = base.extend<object, { stand: InventedStand }>({
  stand: perWorker(() => startInventedStand({ port: 0, readOnly: false }), 240_000),
})

export { expect }

/** The page has its heading, and nothing in it is still being asked for. */
export async function settled(page: Page): Promise<void> {
  await expect(page.getByRole('heading', { level: 1 }).first()).toBeVisible()
  await expect(page.locator('main [aria-busy=true]')).toHaveCount(0)
}
