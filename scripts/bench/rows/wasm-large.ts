import { AppError } from '@freehold/appliance/errors/app-error'
import { sealRequest } from '@freehold/wasm-client/seal'
import { openStand } from '../../../testing/wasm/stand/stand.ts'
import { median, row, type Bench } from '../row.ts'
import { megabyte } from '../wasm/programs.ts'
import { quantile, rawRequest, sendAll } from '../wasm/raw-http.ts'

const cold = 12
const warm = 200

export const wasmLarge: Bench = {
  id: 'wasm-large',
  about: 'a WASM program of 1 MB, sealed: p99 of the first calls of 12 programs, and of 200 warm calls of one, each alone',
  slow: false,
  async run(report) {
    const stand = await openStand({ server: { workers: 2 } })
    try {
      const { key } = await stand.hostKeys()
      const port = Number(new URL(stand.origin).port)
      const request = { function_name: 'main', arguments: [{ value: 1 }], timeout_seconds: 10 }
      const times = async (programs: readonly Uint8Array[], compiles: boolean): Promise<number[]> => {
        const requests: Buffer[] = []
        for (const wasm of programs) {
          const { body } = await sealRequest(key, wasm, request)
          requests.push(rawRequest('/v1/execute', stand.apiKey, JSON.stringify(body)))
        }
        const answers = await sendAll(port, requests, 1)
        for (const { status, body } of answers) {
          const said = JSON.parse(body.toString()) as { execution_summary?: { compile_ms: number } }
          if (status !== 200 || (said.execution_summary?.compile_ms ?? 0) > 0 !== compiles)
            throw new AppError({ code: 'internal', detail: `It answered ${body.toString().slice(0, 300)}` })
        }
        return answers.map(({ milliseconds }) => milliseconds)
      }
      const programs = Array.from({ length: cold }, (_, n) => megabyte(n + 1))
      const first = await times(programs, true)
      const [one = megabyte(1)] = programs.slice(-1)
      // both executors get it, and the first requests of a process compile
      await times(
        Array.from({ length: 20 }, () => one),
        false,
      )
      const again = await times(
        Array.from({ length: warm }, () => one),
        false,
      )
      report(
        `${(one.length / 1e6).toFixed(2)} MB: cold median ${median(first).toFixed(0)} ms, warm median ${median(again).toFixed(1)} ms`,
      )
      return [
        row('WASM of 1 MB, cold, p99', quantile(first, 0.99) / 1000, 's', 2),
        row('WASM of 1 MB, warm, p99', quantile(again, 0.99), 'ms', 25, 1),
      ]
    } finally {
      await stand.close()
    }
  },
}
