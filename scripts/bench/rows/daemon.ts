import { readdirSync, readFileSync } from 'node:fs'
import { statusSchema } from '@freehold/appliance/api/schemas/status'
import { createClient } from '@freehold/appliance/cli/client'
import { signIn } from '@freehold/appliance/cli/session'
import { walletOf } from '@freehold/appliance/cli/wallet'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { until } from '@freehold/appliance/dev/supervisor'
import { AppError } from '@freehold/appliance/errors/app-error'
import { concurrentGets } from '../concurrent-gets.ts'
import { residentMb } from '../resident.ts'
import { startStand } from '../../../testing/stands/embedded.ts'
import { row, type Bench } from '../row.ts'

export const daemon: Bench = {
  id: 'daemon',
  about: 'resident memory of an idle freeholdd, and GET /v1/vms at 50 concurrent through the public door',
  slow: false,
  async run(report) {
    const stand = await startStand({ pages: false, hypervisor: 'fake', report })
    try {
      report(`${residentMb(pidOf(stand.stateFolder)).toFixed(0)} MB right after setup`)
      const client = createClient({ url: stand.origin })
      const open = async () => (await client.call(statusSchema, 'GET', '/v1/status')).storefront === 'open'
      // an idle daemon is one that was started, not one that has just deployed contracts
      stand.embedded.supervisor.crash('freeholdd')
      await until('the end of the daemon', 20, async () => !(await open().catch(() => false)))
      await until('the daemon', 60, open)
      const idle = residentMb(pidOf(stand.stateFolder))
      const status = await client.call(statusSchema, 'GET', '/v1/status')
      await signIn(client, walletOf(devWallet(4)), status.origin, status.now)
      const times = await concurrentGets(client, '/v1/vms')
      report(`median ${times.median.toFixed(1)} ms, p99 ${times.p99.toFixed(1)} ms`)
      return [
        row('freeholdd resident memory, idle', idle, 'MB', 180, 0),
        row('GET /v1/vms p99 at 50 concurrent', times.p99, 'ms', 50, 1),
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
