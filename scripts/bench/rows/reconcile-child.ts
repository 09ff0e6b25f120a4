// The loop over 10,000 running VMs as a process of its own, so that its memory is only its own: real store, real wiring of the
// fake hypervisor with its world in a file, chain in memory. Prints one JSON line. Arguments: state folder, number of passes.
import { createFakeHypervisor } from '@freehold/appliance/hypervisor/fake/fake-hypervisor'
import { Stand } from '@freehold/appliance/vms/test-stand'
import { residentMb } from '../resident.ts'
import { many, writeFakeWorld } from '../ten-thousand.ts'

const [folder = '', passes = '1000'] = process.argv.slice(2)
const stand = await Stand.open()
const first = stand.chain.buy()
await stand.settle()
const subscription = stand.chain.at(first)
const stored = await stand.store.vms.get({ installation: stand.chain.installation, tokenId: first })
if (subscription === undefined || stored === undefined) throw new Error('the first VM was not made')
const all = Array.from({ length: many }, (_, i) => ({ ...subscription, tokenId: BigInt(i + 1) }))
stand.chain.mine(1, (state) => {
  for (const one of all) state.subscriptions.set(one.tokenId, one)
  state.nextTokenId = BigInt(many) + 1n
})
const file = writeFakeWorld(folder, all)
const hypervisor = createFakeHypervisor({ clock: stand.clock, storages: ['local'], createSeconds: 0, file })
const rows = all.map(({ tokenId }, i) => ({
  ...stored,
  tokenId,
  addresses: { ipv4: null, ipv6: null, sshPort: 20_000 + i },
}))
await stand.restart({ hypervisor, vms: { ...stand.store.vms, list: () => Promise.resolve(rows) } })

const milliseconds: number[] = []
let after100 = 0
for (let n = 1; n <= Number(passes); n += 1) {
  const pass = await stand.reconciler.pass()
  // the first pass of a daemon fills its books
  if (n > 1) milliseconds.push(pass.durationMs)
  if (pass.began.length > 0 || pass.vms !== many)
    throw new Error(`the pass saw ${pass.vms} VMs and began ${pass.began.length} jobs`)
  if (n === 100) after100 = residentMb(process.pid)
}
const issues = stand.reconciler.status().issues.length
process.stdout.write(`${JSON.stringify({ milliseconds, after100, after: residentMb(process.pid), issues })}\n`)
process.exit(0)
