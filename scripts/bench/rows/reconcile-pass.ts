import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { AppError } from '@freehold/appliance/errors/app-error'
import { z } from 'zod'
import { median, row, type Bench } from '../row.ts'

const answer = z.object({
  milliseconds: z.array(z.number()).min(1),
  after100: z.number().positive(),
  after: z.number().positive(),
  issues: z.literal(0),
})

export const reconcilePass: Bench = {
  id: 'reconcile-pass',
  about: '1,000 passes over 10,000 running VMs of the fake hypervisor with nothing to do: median time, growth of memory',
  slow: true,
  async run(report) {
    const folder = await mkdtemp(join(tmpdir(), 'freehold-bench-'))
    try {
      const child = join(import.meta.dirname, 'reconcile-child.ts')
      const args = ['--max-semi-space-size=4', child, folder, '1000']
      const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 1_200_000 }).catch((cause: unknown) => {
        throw new AppError({ code: 'process-failed', detail: `The loop ended: ${(cause as Error).message.slice(-600)}`, cause })
      })
      const { milliseconds, after100, after } = answer.parse(JSON.parse(stdout))
      const sorted = milliseconds.toSorted((a, b) => a - b)
      report(
        `p99 ${sorted[Math.floor(sorted.length * 0.99)]?.toFixed(0)} ms; ${after100.toFixed(0)} MB, then ${after.toFixed(0)} MB`,
      )
      return [
        row('reconcile pass, 10,000 VMs, nothing to do', median(milliseconds), 'ms', 250, 0),
        row('memory of the loop after 1,000 passes / after 100', after / after100, '×', 1.05),
      ]
    } finally {
      await rm(folder, { recursive: true })
    }
  },
}
