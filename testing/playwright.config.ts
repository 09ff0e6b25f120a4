import { defineConfig } from '@playwright/test'

/** The distribution's Chromium; tests start what they need themselves, on free ports. */
export default defineConfig({
  testDir: './e2e',
  testMatch: '**/*.e2e.ts',
  outputDir: '../test-results',
  workers: 1,
  retries: 0,
  timeout: 60_000,
  forbidOnly: true,
  reporter: 'list',
  expect: { timeout: 15_000 },
  use: {
    locale: 'en-GB',
    timezoneId: 'Pacific/Auckland',
    viewport: { width: 1280, height: 900 },
    launchOptions: { executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium' },
    screenshot: 'only-on-failure',
  },
})
