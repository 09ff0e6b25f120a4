import { availableParallelism, totalmem } from 'node:os'
import { defineConfig } from '@playwright/test'

/** The distribution's Chromium; tests start what they need themselves, on free ports. */
export default defineConfig({
  testDir: './e2e',
  testMatch: '**/*.e2e.ts',
  outputDir: '../test-results',
  // a worker has a browser, a chain, a daemon and the pages' server of its own, and one of them a guest: about 2 GiB each
  workers: availableParallelism() >= 2 && totalmem() >= 7 * 2 ** 30 ? 2 : 1,
  retries: 0,
  // limits for a slow machine that has other work: a green run never waits for them
  timeout: 120_000,
  forbidOnly: true,
  reporter: 'list',
  expect: { timeout: 30_000 },
  use: {
    locale: 'en-GB',
    timezoneId: 'Pacific/Auckland',
    viewport: { width: 1280, height: 900 },
    launchOptions: { executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium' },
    screenshot: 'only-on-failure',
  },
})
