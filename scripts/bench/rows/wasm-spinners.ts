import { AppError } from '@freehold/appliance/errors/app-error'
import { openStand } from '../../../testing/wasm/stand/stand.ts'
import { row, type Bench } from '../row.ts'
import { spinning } from '../wasm/programs.ts'
import { quantile } from '../wasm/raw-http.ts'

const seconds = 10

export const wasmSpinners: Bench = {
  id: 'wasm-spinners',
  about: '100 endless WASM programs of 10 s at once: when they end, and how /health answers meanwhile',
  slow: false,
  async run(report) {
    const stand = await openStand({ server: { workers: 2 } })
    try {
      await stand.run(spinning, { timeout_seconds: 1, gas_limit: '1000' })
      const all = Promise.all(
        Array.from({ length: 100 }, async () => {
          const began = performance.now()
          const { code } = await stand.run(spinning, { timeout_seconds: seconds, gas_limit: '900000000000000000' })
          return { code, took: performance.now() - began }
        }),
      )
      let over = false
      void all.finally(() => (over = true))
      const health: number[] = []
      while (!over) {
        const began = performance.now()
        await stand.get('/health')
        health.push(performance.now() - began)
      }
      const ran = await all
      const odd = ran.find(({ code }) => code !== 'EXECUTION_TIMEOUT')
      if (odd !== undefined) throw new AppError({ code: 'internal', detail: `One ended with ${odd.code ?? 'OK'}.` })
      const took = ran.map((one) => one.took)
      const [least, most] = [Math.min(...took), Math.max(...took)]
      report(`from ${least.toFixed(1)} to ${most.toFixed(1)} ms after they were sent; ${health.length} looks at /health`)
      return [
        row('WASM, 100 spinners of 10 s: last end', most / 1000, 's', 10.5, 3),
        row('WASM, 100 spinners of 10 s: too early by', Math.max(0, seconds * 1000 - least), 'ms', 0, 1),
        row('GET /health p99 meanwhile', quantile(health, 0.99), 'ms', 100, 1),
      ]
    } finally {
      await stand.close()
    }
  },
}
