import { expect, test as base } from '@playwright/test'
import { startStand, type EmbeddedStand } from '../stands/embedded.ts'

/** The product as it runs, with its front server and the wallets of the local chain; only the hypervisor is the fake. */
export const test = base.extend<object, { stand: EmbeddedStand }>({
  stand: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
    async ({}, use) => {
      const stand = await startStand({ pages: true, hypervisor: 'fake', devWallets: true })
      await use(stand)
      await stand.stop()
    },
    { scope: 'worker', timeout: 180_000 },
  ],
})

export { expect }
