import { AxeBuilder } from '@axe-core/playwright'
import type { Page } from '@playwright/test'

/** Rules whose answer may change with colours and widths while the page says the same. */
const ofTheLook = ['color-contrast', 'link-in-text-block', 'scrollable-region-focusable', 'target-size']

/**
 * What axe finds wrong on the page as it stands. `again` is for a page that was looked at whole and has changed its theme or width
 * since: only the rules that this can touch are asked, as each whole look costs a second of CI; with FREEHOLD_ALL=1 all are. `within` is
 * for a page of which only that part is new.
 */
export async function axeFinds(page: Page, look: 'whole' | 'again', within?: string): Promise<string[]> {
  // pages have no frames: what axe does for them would cost a page of its own each time
  const axe = new AxeBuilder({ page }).setLegacyMode(true)
  if (within !== undefined) axe.include(within)
  const rules =
    look === 'whole' || process.env['FREEHOLD_ALL'] === '1' ? {} : { runOnly: { type: 'rule' as const, values: ofTheLook } }
  const { violations } = await axe.options({ resultTypes: ['violations'], ...rules }).analyze()
  return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' | ')}`)
}
