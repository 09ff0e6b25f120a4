import type { Browser, BrowserContext, WorkerInfo } from '@playwright/test'

/** What `oneContext` adds to a test's fixtures. */
export interface Shared {
  shared: BrowserContext
}

async function shared(
  { browser }: { browser: Browser },
  use: (context: BrowserContext) => Promise<void>,
  { project }: WorkerInfo,
) {
  const { locale, timezoneId, viewport } = project.use
  const context = await browser.newContext({
    ...(locale !== undefined && { locale }),
    ...(timezoneId !== undefined && { timezoneId }),
    ...(viewport !== undefined && { viewport }),
  })
  await use(context)
  await context.close()
}

async function context({ shared: one }: Shared, use: (context: BrowserContext) => Promise<void>) {
  await use(one)
  await one.clearCookies()
  await one.clearPermissions()
  for (const page of one.pages()) {
    const inspector = await one.newCDPSession(page)
    const { origin } = new URL(page.url())
    await inspector.send('Storage.clearDataForOrigin', { origin, storageTypes: 'local_storage,indexeddb' })
    await page.close()
  }
}

/**
 * `test.extend<object, Shared>(oneContext)`: tests that share one browser context, each with a page of its own, so that the code of
 * the pages is loaded and compiled once for all of them. What a test leaves behind (cookies, storage, permissions) is gone before
 * the next.
 */
export const oneContext = { shared: [shared, { scope: 'worker' }] as [typeof shared, { scope: 'worker' }], context }
