// A process with a driver that runs one verb of the matrix, made to be killed in the middle of it. `argv[2]`: what it needs, as JSON.
import { systemClock } from '@freehold/appliance/clock/clock'
import { testKey } from '@freehold/appliance/hypervisor/contract-suite'
import { parseAuthority } from '@freehold/appliance/hypervisor/proxmox/endpoint'
import { createProxmoxHypervisor } from '@freehold/appliance/hypervisor/proxmox/proxmox-hypervisor'
import { z } from 'zod'
import { driverOptions } from './driver-stand.ts'
import { verbs } from './matrix.ts'

const given = z
  .object({
    authority: z.string(),
    nodes: z.record(z.string(), z.number()),
    token: z.object({ id: z.string(), secret: z.string() }),
    journalFile: z.string(),
    template: z.object({ path: z.string(), sha256: z.string() }),
    verb: z.string(),
    tokenId: z.string(),
  })
  .parse(JSON.parse(process.argv[2] ?? ''))

const ways = Object.entries(given.nodes).map(([node, port]) => ({
  endpoint: { host: '127.0.0.1', port },
  pin: parseAuthority(given.authority, node),
}))
const driver = createProxmoxHypervisor({
  ...driverOptions(ways, given.token),
  clock: systemClock,
  journalFile: given.journalFile,
  pace: 0.005,
})
const verb = verbs.find(({ name }) => name === given.verb)
if (verb === undefined) throw new Error(`no verb ${given.verb}`)
await verb.run(driver, { key: testKey(BigInt(given.tokenId)), template: given.template })
await driver.close()
process.stdout.write('done\n')
