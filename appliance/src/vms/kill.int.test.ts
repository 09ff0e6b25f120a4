import { openFake } from './kill-fake.ts'
import { killSuite } from './kill-suite.ts'

// in the default run one subscription dies at every step in turn; each death with one of its own takes minutes
await killSuite('killed after every persisted step, and started again', {
  row: 'crash-every-step',
  title: (job) => `E1 E7: kill -9 after each step of ${job}: the same world, nothing twice`,
  open: openFake,
  deaths: (_, places) => places,
  alone: process.env['FREEHOLD_ALL'] === '1',
})
