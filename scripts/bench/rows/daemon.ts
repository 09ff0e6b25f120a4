import { readdirSync, readFileSync } from 'node:fs'
import { statusSchema } from '@freehold/appliance/api/schemas/status'
import { createClient } from '@freehold/appliance/cli/client'
import { signIn } from '@freehold/appliance/cli/session'
import { walletOf } from '@freehold/appliance/cli/wallet'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { AppError } from '@freehold/appliance/errors/app-error'
import { z } from 'zod'
import { startStand } from '../../../testing/stands/embedded.ts'
import { row, type Bench } from '../row.ts'

const connections = 50
const requestsEach = 40
const mb = 1000 * 1000

export const daemon: Bench = {
  id: 'daemon',
  about: 'resident memory of an idle freeholdd, and GET /v1/vms at 50 concurrent through the public door',
  slow: false,
  async run(report) {
    const stand = await startStand({ pages: false, hypervisor: 'fake', report })
    try {
      const pid = pidOf(stand.stateFolder)
      const idle = residentBytes(pid) / mb
      report(`${idle.toFixed(0)} MB after setup`)
      const client = createClient({ url: stand.origin })
      const status = await client.call(statusSchema, 'GET', '/v1/status')
      await signIn(client, walletOf(devWallet(4)), status.origin, status.now)
      const answer = z.looseObject({ items: z.array(z.unknown()) })
      const once = () => client.call(answer, 'GET', '/v1/vms')
      // the first requests of a process compile
      await Promise.all(Array.from({ length: connections }, once))
      const times: number[] = []
      await Promise.all(
        Array.from({ length: connections }, async () => {
          for (let i = 0; i < requestsEach; i += 1) {
            const from = performance.now()
            await once()
            times.push(performance.now() - from)
          }
        }),
      )
      const sorted = times.toSorted((a, b) => a - b)
      const p99 = sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN
      report(`median ${sorted[Math.floor(sorted.length / 2)]?.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms of ${sorted.length}`)
      return [
        row('freeholdd resident memory, idle', idle, 'MB', 180, 0),
        row('GET /v1/vms p99 at 50 concurrent', p99, 'ms', 50, 1),
      ]
    } finally {
      await stand.stop()
    }
  },
}

/** The daemon of this state folder. Throws AppError `internal` if there is none. */
function pidOf(stateFolder: string): number {
  for (const name of readdirSync('/proc').filter((n) => /^\d+$/.test(n))) {
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0')
      if (words.some((w) => w.endsWith('freeholdd.ts')) && words.includes(stateFolder)) return Number(name)
    } catch {
      // it has ended meanwhile
    }
  }
  throw new AppError({ code: 'internal', detail: 'The daemon of the stand is not found.' })
}

function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  if (kib === undefined) throw new AppError({ code: 'internal', detail: 'The daemon tells no resident memory.' })
  return Number(kib) * 1024
}
