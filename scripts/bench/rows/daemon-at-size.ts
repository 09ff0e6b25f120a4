import { signIn } from '@freehold/appliance/cli/session'
import { walletOf } from '@freehold/appliance/cli/wallet'
import { systemClock } from '@freehold/appliance/clock/clock'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { z } from 'zod'
import { concurrentGets } from '../concurrent-gets.ts'
import { openLargeHost } from '../large-host.ts'
import { residentMb } from '../resident.ts'
import { row, type Bench } from '../row.ts'

/** Blocks that the daemon follows before its memory is read: each is a pass of the loop and of what pages are made of. */
const blocks = 60

export const daemonAtSize: Bench = {
  id: 'daemon-at-size',
  about: 'freeholdd as it is packaged with 10,000 subscriptions and VMs: resident memory, GET /v1/vms at 50 concurrent',
  slow: true,
  async run(report) {
    const host = await openLargeHost(report)
    try {
      for (let i = 0; i < blocks; i += 1) {
        await host.chain.mine(1)
        await systemClock.wait(1000)
      }
      const resident = residentMb(host.pid)
      report(`${resident.toFixed(0)} MB after ${blocks} blocks`)
      // the node's second account, who bought all of them
      await signIn(host.client, walletOf(devWallet(1)), host.status.origin, host.status.now)
      const page = await host.client.call(z.looseObject({ items: z.array(z.unknown()).min(1) }), 'GET', '/v1/vms')
      report(`${page.items.length} VMs a page`)
      const quiet = await concurrentGets(host.client, '/v1/vms')
      const mining = new AbortController()
      const following = (async () => {
        while (!mining.signal.aborted) {
          await host.chain.mine(1)
          await systemClock.wait(1000, mining.signal)
        }
      })()
      const busy = await concurrentGets(host.client, '/v1/vms')
      mining.abort()
      await following
      report(`p99 ${quiet.p99.toFixed(1)} ms between blocks, ${busy.p99.toFixed(1)} ms with a block every second`)
      return [
        row('freeholdd resident memory, 10,000 subscriptions', resident, 'MB', 280, 0),
        row('GET /v1/vms p99 at 50 concurrent, 10,000 subscriptions', quiet.p99, 'ms', 50, 1),
      ]
    } finally {
      await host.stop()
    }
  },
}
