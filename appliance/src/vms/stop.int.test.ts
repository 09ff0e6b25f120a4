import { openFake } from './kill-fake.ts'
import { killSuite, type Job } from './kill-suite.ts'

const all = process.env['FREEHOLD_ALL'] === '1'

// the step of each job in whose middle a stop is hardest. With --all in the middle of each step and after it, each stop with a
// subscription of its own: what is on disk at each of these places is what kill.int.test.ts starts from in every run
const once: Record<Job, readonly string[]> = {
  create: ['create/guest-report/running', 'create/activate/running'],
  suspend: ['suspend/shutdown/running'],
  start: ['start/start/running'],
  end: ['end/end/running'],
  destroy: ['destroy/destroy/running'],
  reject: ['reject/reject/running'],
  reinstall: ['reinstall/disk/running'],
}

await killSuite('asked to stop in the middle of a job, and started again', {
  row: 'crash-stop-signal',
  signal: 'SIGTERM',
  title: (job) => `E10: SIGTERM in the middle of ${job}: it ends by itself, goes on after the next start, nothing twice`,
  open: openFake,
  deaths: (job, places) => (all ? places : once[job]),
  alone: all,
})
