import { openFake } from './kill-fake.ts'
import { killSuite } from './kill-suite.ts'

const all = process.env['FREEHOLD_ALL'] === '1'

// by default in the middle of each step, with one subscription a job; with --all after each step too, each stop with one of its own
await killSuite('asked to stop in the middle of every step, and started again', {
  row: 'crash-stop-signal',
  signal: 'SIGTERM',
  title: (job) => `E10: SIGTERM in the middle of ${job}: it ends by itself, goes on after the next start, nothing twice`,
  open: openFake,
  deaths: (_, places) => places.filter((place) => all || place.endsWith('/running')),
  alone: all,
})
