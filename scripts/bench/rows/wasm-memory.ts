import { AppError } from '@freehold/appliance/errors/app-error'
import { openStand } from '../../../testing/wasm/stand/stand.ts'
import { row, type Bench } from '../row.ts'
import { touching } from '../wasm/programs.ts'

const mb = 1_000_000

export const wasmMemory: Bench = {
  id: 'wasm-memory',
  about:
    '100 WASM programs at once, each touching 4 MiB for two seconds: memory of the service, executors and compilers together',
  slow: false,
  async run(report) {
    const stand = await openStand({ server: { workers: 2 }, wasm: { default_gas_limit: '100000000000' } })
    try {
      const idle = stand.residentWithCompilers()
      // ends by its deadline: until then it holds what it touched
      const wasm = await touching(4 * 2 ** 20, 2 ** 31)
      await stand.run(wasm, { timeout_seconds: 1 })
      let [most, atOnce] = [0, 0]
      const all = Promise.all(Array.from({ length: 100 }, () => stand.run(wasm, { timeout_seconds: 4 })))
      let over = false
      void all.finally(() => (over = true))
      while (!over) {
        most = Math.max(most, stand.residentWithCompilers())
        const { body } = await stand.get('/health')
        atOnce = Math.max(atOnce, (body['capacity'] as { in_flight: number }).in_flight)
      }
      const ends = new Set(
        (await all).map(({ code, body }) => `${code} ${(body['execution_summary'] as { memory_bytes: number }).memory_bytes}`),
      )
      if ([...ends].some((end) => end !== `EXECUTION_TIMEOUT ${4 * 2 ** 20}`) || atOnce < 100) {
        throw new AppError({ code: 'internal', detail: `${atOnce} at once ended with ${[...ends].join(', ')}.` })
      }
      report(`idle ${(idle / mb).toFixed(0)} MB, ${atOnce} at once`)
      return [row('WASM, 100 programs that touch 4 MiB, all processes', most / mb, 'MB', 1000, 0)]
    } finally {
      await stand.close()
    }
  },
}
