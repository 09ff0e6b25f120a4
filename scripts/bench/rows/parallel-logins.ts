import { crowd } from '../../../pam-web3/tests/crowd.ts'
import { row, type Bench } from '../row.ts'

const count = 200

export const parallelLogins: Bench = {
  id: 'parallel-logins',
  about: '200 people who wait at one sshd and are approved in the same moment: until the 190th has a shell (root)',
  slow: false,
  async run(report) {
    // every address of 127.0.0.0/8 is ours: no namespace is needed to measure
    const people = await crowd(
      count,
      Array.from({ length: 25 }, (_, i) => `127.0.1.${i + 1}`),
    )
    try {
      report(`all ${count} at their prompts after ${people.promptSeconds.toFixed(1)} s`)
      const sorted = (await people.enter()).toSorted((a, b) => a - b)
      const p95 = sorted[Math.ceil(count * 0.95) - 1] ?? Number.NaN
      report(`median ${sorted[count / 2]?.toFixed(0)} ms, slowest ${sorted.at(-1)?.toFixed(0)} ms`)
      // no bare engine does this: the goal is that nobody waits for others as long as a page takes to be read
      return [row('200 logins approved at once, p95 to the shell', p95 / 1000, 's', 10, 2)]
    } finally {
      await people.stop()
    }
  },
}
