// `npm run pve`: a Proxmox VE cluster to try Freehold on. `--nodes 3`, `--pace 1` (0: no delays), `--port 8006` for the first node.
import { parseArgs } from 'node:util'
import { openStand } from './stand.ts'

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1' },
    pace: { type: 'string', default: '1' },
    port: { type: 'string', default: '18006' },
    sentinel: { type: 'string', multiple: true, default: [] },
  },
})
const nodes = Array.from({ length: Math.min(3, Math.max(1, Number(values.nodes))) }, (_, i) => `pve${i + 1}`)
const stand = await openStand({ nodes, pace: Number(values.pace), ports: nodes.map((_, i) => Number(values.port) + i) })

/** Faults by name, so that anybody can see them by hand; each strikes again and again. */
const sentinels: Record<string, () => void> = {
  'gateway-595': () =>
    stand.faults.arm({ kind: 'answer', status: 595, reason: 'Connection refused', empty: true }, { method: 'POST', times: 1e9 }),
  'gateway-596': () =>
    stand.faults.arm({ kind: 'answer-after', status: 596, reason: 'Broken pipe', empty: true }, { method: 'POST', times: 1e9 }),
  'gateway-599': () =>
    stand.faults.arm({ kind: 'answer', status: 599, reason: 'Too many redirections', empty: true }, { times: 1e9 }),
  'lost-task': () => stand.faults.arm({ kind: 'task-lost' }, { method: 'POST', times: 1e9 }),
  'locked-vm': () => stand.faults.arm({ kind: 'lock-held' }, { times: 1e9 }),
  'full-storage': () => stand.faults.arm({ kind: 'storage-full' }, { times: 1e9 }),
  'slow-401': () =>
    stand.faults.arm({ kind: 'answer', status: 401, reason: 'Authentication failed!', empty: true }, { times: 1e9 }),
  'expired-certificate': () => {
    for (const [node, server] of stand.servers) {
      void stand.authority.issue(node, { expired: true }).then((leaf) => server.setCertificate(leaf))
    }
  },
}
for (const name of values.sentinel) {
  const arm = sentinels[name]
  if (arm === undefined) throw new Error(`no sentinel ${name}; there are ${Object.keys(sentinels).join(', ')}`)
  arm()
}
process.stdout.write(`${stand.authority.pem}\n`)
for (const [node, server] of stand.servers)
  process.stdout.write(`${node}  https://127.0.0.1:${server.port}  ${stand.world.nodes.get(node)?.fingerprint}\n`)
process.stdout.write(`privileged token, for freehold proxmox enrol: ${stand.rootToken.id}=${stand.rootToken.secret}\n`)
const end = () => void stand.close().then(() => process.exit(0))
process.once('SIGINT', end)
process.once('SIGTERM', end)
