import { expect, test as base } from '@playwright/test'
import { startStand, type EmbeddedStand } from '../stands/embedded.ts'
import { perWorker } from './per-worker.ts'

/** The product as it runs, with its front server and the wallets of the local chain; only the hypervisor is the fake. */
export const test = base.extend<object, { stand: EmbeddedStand }>({
  stand: perWorker(() => startStand({ pages: true, hypervisor: 'fake', devWallets: true }), 180_000),
})

export { expect }
