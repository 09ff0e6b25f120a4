import { Stand } from '@freehold/appliance/vms/test-stand'
import { AppError } from '@freehold/appliance/errors/app-error'
import { median, row, type Bench } from '../row.ts'

const count = 10_000n
const runs = 9

export const reconcilePass: Bench = {
  id: 'reconcile-pass',
  about: 'one pass of the reconciler over 10,000 running VMs with nothing to do, median of 9',
  slow: false,
  async run() {
    // chain and hypervisor in memory: what is timed is the deciding
    const stand = await Stand.open()
    const key = { installation: stand.chain.installation, generation: 1 }
    const first = stand.chain.buy()
    await stand.settle()
    const [subscription, record] = [stand.chain.at(first), stand.vm(first)]
    const stored = await stand.store.vms.get({ ...key, tokenId: first })
    if (!subscription || !record || !stored) throw new AppError({ code: 'internal', detail: 'The first VM was not made.' })
    stand.chain.mine(1, (state) => {
      for (let n = 2n; n <= count; n += 1n) state.subscriptions.set(n, { ...subscription, tokenId: n })
      state.nextTokenId = count + 1n
    })
    for (let n = 2n; n <= count; n += 1n) stand.hypervisor.records.set(stand.id(n), { ...record, key: { ...key, tokenId: n } })
    const rows = Array.from({ length: Number(count) }, (_, i) => ({ ...stored, tokenId: BigInt(i + 1) }))
    await stand.restart({ vms: { ...stand.store.vms, list: () => Promise.resolve(rows) } })
    // the first pass of a daemon fills its books
    await stand.reconciler.pass()
    const times: number[] = []
    for (let i = 0; i < runs; i += 1) {
      const pass = await stand.reconciler.pass()
      if (pass.began.length > 0 || pass.vms !== Number(count)) {
        throw new AppError({ code: 'internal', detail: `The pass saw ${pass.vms} VMs and began ${pass.began.length} jobs.` })
      }
      times.push(pass.durationMs)
    }
    return [row('reconcile pass, 10,000 VMs, nothing to do', median(times), 'ms', 250, 0)]
  },
}
