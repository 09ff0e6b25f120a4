// `npm run pve`: a Proxmox VE cluster to try Freehold on. Guests are real where QEMU is installed; README.md tells the options.
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createQemuMachines, probeAcceleration } from './qemu-machines.ts'
import { sentinels } from './sentinels.ts'
import { openStand } from './stand.ts'

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1' },
    pace: { type: 'string', default: '1' },
    port: { type: 'string', default: '18006' },
    guests: { type: 'string', default: 'real' },
    sentinel: { type: 'string', multiple: true, default: [] },
  },
})
const refuse = (what: string): never => {
  process.stderr.write(`${what}\n`)
  process.exit(2)
}
const [nodeCount, pace, firstPort] = [Number(values.nodes), Number(values.pace), Number(values.port)]
if (![1, 2, 3].includes(nodeCount)) refuse('--nodes is 1, 2 or 3')
if (!(pace >= 0)) refuse('--pace is a number from 0; 1 is the speed of the recorded server')
if (!Number.isInteger(firstPort) || firstPort < 0 || firstPort > 65_533) refuse('--port is a TCP port, or 0 for free ones')
if (!['real', 'words'].includes(values.guests)) refuse('--guests is real or words')
for (const name of values.sentinel)
  if (sentinels[name] === undefined) refuse(`no sentinel ${name}; there are ${Object.keys(sentinels).join(', ')}`)

const acceleration = values.guests === 'real' ? await probeAcceleration() : undefined
// sockets have at most 108 characters: QEMU says so where the folder for temporary files has a long path
const machines = acceleration === undefined ? undefined : createQemuMachines(await mkdtemp(join(tmpdir(), 'pve-')), acceleration)
const nodes = Array.from({ length: nodeCount }, (_, i) => `pve${i + 1}`)
const stand = await openStand({
  nodes,
  pace,
  ports: nodes.map((_, i) => (firstPort === 0 ? 0 : firstPort + i)),
  ...(machines !== undefined && { machines }),
})
for (const name of values.sentinel) await sentinels[name]?.(stand)

process.stdout.write(`${stand.authority.pem}\n`)
for (const [node, server] of stand.servers)
  process.stdout.write(`${node}  https://127.0.0.1:${server.port}  ${stand.world.nodes.get(node)?.fingerprint}\n`)
process.stdout.write(
  acceleration === undefined
    ? `guests: words only${values.guests === 'real' ? ', since qemu-system-x86_64 does not start here' : ''}\n`
    : `guests: real, ${acceleration.toUpperCase()}; port 22 of each at the loopback port of its sshPort\n`,
)
if (values.sentinel.length > 0) process.stdout.write(`sentinels: ${values.sentinel.join(', ')}\n`)
process.stdout.write(`privileged token, for freehold proxmox enrol: ${stand.rootToken.id}=${stand.rootToken.secret}\n`)
const end = () => void stand.close().then(() => process.exit(0))
process.once('SIGINT', end)
process.once('SIGTERM', end)
