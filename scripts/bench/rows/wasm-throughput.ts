import { join } from 'node:path'
import { AppError } from '@freehold/appliance/errors/app-error'
import { sealRequest, type HostKey, type RunRequest, type SealedAnswer } from '@freehold/wasm-client/seal'
import { openStand, type WasmStand } from '../../../testing/wasm/stand/stand.ts'
import { median, row, type Bench } from '../row.ts'
import { adding, distinct } from '../wasm/programs.ts'
import { cpuMicros } from '../wasm/cpu-time.ts'
import { quantile, rawRequest, sendAll } from '../wasm/raw-http.ts'
import { runJson } from '../wasm/run-json.ts'

const count = 4000
const concurrent = 100
const rounds = 3
/** Modules of one tenant that may be compiled or wait for it: two at once, sixteen behind them. */
const compilingAtOnce = 18

export const wasmThroughput: Bench = {
  id: 'wasm-throughput',
  about:
    'WASM calls a second at 100 concurrent, sealed both ways, against a bare executor child with the same crypto; peers beside it',
  slow: false,
  async run(report) {
    const stand = await openStand({ server: { workers: 2 } })
    try {
      const { key } = await stand.hostKeys()
      await measure(stand, key, 500, () => adding)
      const [ours, bare]: [number[], number[]] = [[], []]
      const [oursCpu, bareCpu]: [number[], number[]] = [[], []]
      const used = () => [stand.pid, ...stand.executors()].reduce((sum, pid) => sum + cpuMicros(pid), 0)
      for (let n = 0; n < rounds; n += 1) {
        const before = used()
        const { perSecond, p50, p99 } = await measure(stand, key, count, () => adding)
        oursCpu.push((used() - before) / count)
        ours.push(perSecond)
        const beside = await runJson<{ perSecond: number; wrong: number; cpuPerCall: number }>(process.execPath, [
          join(import.meta.dirname, '../wasm/bare-executor.ts'),
          String(count),
        ])
        if (beside.wrong > 0)
          throw new AppError({ code: 'internal', detail: `${beside.wrong} wrong answers of the bare executor` })
        bare.push(beside.perSecond)
        bareCpu.push(beside.cpuPerCall)
        report(
          `cached ${perSecond.toFixed(0)}/s (p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms), bare ${beside.perSecond.toFixed(0)}/s; µs of processor a call: ${oursCpu.at(-1)?.toFixed(0)}, ${beside.cpuPerCall.toFixed(0)}`,
        )
      }
      let seed = 0
      const each = await Promise.all(Array.from({ length: 1000 }, () => distinct((seed += 1))))
      const apart = await measure(stand, key, each.length, (n) => each[n] ?? adding, compilingAtOnce)
      report(`distinct, each compiled: ${apart.perSecond.toFixed(0)}/s (p99 ${apart.p99.toFixed(0)} ms)`)
      return [
        row('bare executor / WASM service, tiny cached, 100 concurrent', median(bare) / median(ours), '×', 2),
        // holds on a busy machine too: who waits for a processor uses none
        row('the same in processor time of a call', median(oursCpu) / median(bareCpu), '×', 2),
        row('WASM, time of 1,000 tiny calls, cached', 1_000_000 / median(ours), 'ms', 1_000_000 / 1500, 0),
        row('WASM, time of 1,000 tiny distinct programs', 1_000_000 / apart.perSecond, 'ms', 1_000_000 / 250, 0),
      ]
    } finally {
      await stand.close()
    }
  },
}

/** Seals first, then sends; every answer's status is looked at, and one in fifty is opened. */
async function measure(
  stand: WasmStand,
  key: HostKey,
  calls: number,
  program: (n: number) => Uint8Array,
  atOnce = concurrent,
): Promise<{ perSecond: number; p50: number; p99: number }> {
  const sealed = await Promise.all(
    Array.from({ length: calls }, async (_, n) => {
      const wasm = program(n)
      const request: RunRequest = {
        function_name: 'main',
        arguments: wasm === adding ? [{ value: n }, { value: 2 }] : [],
        timeout_seconds: 10,
      }
      return await sealRequest(key, wasm, request)
    }),
  )
  const requests = sealed.map(({ body }) => rawRequest('/v1/execute', stand.apiKey, JSON.stringify(body)))
  const began = performance.now()
  const answers = await sendAll(Number(new URL(stand.origin).port), requests, atOnce)
  const seconds = (performance.now() - began) / 1000
  const failed = answers.find(({ status }) => status !== 200)
  if (failed !== undefined)
    throw new AppError({ code: 'internal', detail: `A call failed: ${failed.body.toString().slice(0, 300)}` })
  for (let n = 0; n < calls; n += 50) {
    const opened = await sealed[n]?.open(JSON.parse(answers[n]?.body.toString() ?? '') as SealedAnswer)
    if (program(n) === adding && opened?.results[0]?.value !== n + 2)
      throw new AppError({ code: 'internal', detail: 'A wrong answer.' })
  }
  const times = answers.map(({ milliseconds }) => milliseconds)
  return { perSecond: calls / seconds, p50: quantile(times, 0.5), p99: quantile(times, 0.99) }
}
