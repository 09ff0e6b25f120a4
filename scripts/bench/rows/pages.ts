import { chromium, type Page } from '@playwright/test'
import { startInventedStand } from '@freehold/appliance/dev/invented/invented-stand'
import { residentMb } from '../resident.ts'
import { median, row, type Bench } from '../row.ts'

const many = 10_000
const rounds = 5

/** Collects, in the page, how long each press took until the picture showed it (Event Timing API), and when the largest thing stood. */
const collect = `(() => {
  window.freeholdTimes = { presses: [], painted: 0 }
  new PerformanceObserver((list) => { for (const e of list.getEntries()) window.freeholdTimes.presses.push({ name: e.name, ms: e.duration }) })
    .observe({ type: 'event', durationThreshold: 16, buffered: true })
  new PerformanceObserver((list) => { window.freeholdTimes.painted = list.getEntries().at(-1).startTime })
    .observe({ type: 'largest-contentful-paint', buffered: true })
})()`

interface Times {
  presses: { name: string; ms: number }[]
  painted: number
}

async function timesOf(page: Page): Promise<Times> {
  // entries are told after the frame that they describe
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => setTimeout(done, 200)))')
  return (await page.evaluate('window.freeholdTimes')) as Times
}

/** The slowest of what was pressed, in milliseconds; what took less than one frame is told by no entry and counts as 16. */
function slowest({ presses }: Times, names: readonly string[]): number {
  return Math.max(16, ...presses.filter((p) => names.includes(p.name)).map((p) => p.ms))
}

export const pages: Bench = {
  id: 'pages',
  about: `first meaningful paint, a press, a list of ${many} VMs filtered and scrolled, resident memory of the pages' server`,
  slow: false,
  async run(report) {
    const stand = await startInventedStand({ port: 0, readOnly: true, vms: many, report })
    const browser = await chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium' })
    try {
      const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
      await page.addInitScript(collect)

      const paints: number[] = []
      for (let i = 0; i <= rounds; i++) {
        await page.goto(stand.origin)
        await page.getByRole('article', { name: 'Small' }).waitFor()
        // the first visit warms the server
        if (i > 0) paints.push((await timesOf(page)).painted)
      }
      report(`paints: ${paints.map((ms) => ms.toFixed(0)).join(', ')} ms`)

      const presses: number[] = []
      for (let i = 0; i < rounds; i++) {
        await page.goto(`${stand.origin}/plans/0`)
        await page.getByRole('radio', { name: '7 days' }).waitFor()
        await page.getByRole('radio', { name: '7 days' }).click()
        presses.push(slowest(await timesOf(page), ['click', 'pointerup']))
      }
      report(`presses: ${presses.join(', ')} ms`)

      const filters: number[] = []
      const scrolls: number[] = []
      for (let i = 0; i < rounds; i++) {
        await page.goto(`${stand.origin}/operator/vms`)
        const search = page.getByLabel('Search')
        await search.waitFor()
        await search.pressSequentially('small')
        filters.push(slowest(await timesOf(page), ['keydown', 'keypress', 'input', 'keyup']))
        await search.fill('')
        scrolls.push(
          Number(
            await page.evaluate(`new Promise((done) => {
              const gaps = []
              let last = performance.now()
              const step = (now) => {
                gaps.push(now - last)
                last = now
                window.scrollBy(0, 60)
                if (gaps.length < 40) requestAnimationFrame(step)
                else done(Math.max(...gaps.slice(1)))
              }
              requestAnimationFrame(step)
            })`),
          ),
        )
      }
      report(`filters: ${filters.join(', ')} ms, frames while scrolling: ${scrolls.map((ms) => ms.toFixed(0)).join(', ')} ms`)
      return [
        row('storefront: first meaningful paint', median(paints), 'ms', 1000, 0),
        row('pages: a press until the picture shows it', median(presses), 'ms', 100, 0),
        row(`list of ${many} VMs: a letter of the filter`, median(filters), 'ms', 100, 0),
        row(`list of ${many} VMs: slowest frame while scrolling`, median(scrolls), 'ms', 100, 0),
        row("pages' server, resident memory", residentMb(stand.webPid), 'MB', 150, 0),
      ]
    } finally {
      await browser.close()
      await stand.stop()
    }
  },
}
