// A broker that has only what its store says: reads settings and leases, makes the machine so, tells how long it took, and
// stays until it is killed. Usage: broker-process.ts FILE
import { readFile } from 'node:fs/promises'
import { createLinuxDataPath, type LinuxDataPathOptions } from '@freehold/appliance/broker/datapath/linux-data-path'
import type { Lease, LeaseCounters } from '@freehold/appliance/broker/types'

interface Store {
  settings: LinuxDataPathOptions
  leases: Lease[]
  lastSeen?: Record<string, LeaseCounters['endpoint']>
}

const store = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as Store
const began = performance.now()
const { lastSeen } = store
const dataPath = createLinuxDataPath({ ...store.settings, ...(lastSeen !== undefined && { lastSeen: (id) => lastSeen[id] }) })
// the service keeps no list of what it changed: neither does this
const length = await dataPath.apply(store.leases)
process.stdout.write(`applied ${length} changes in ${Math.round(performance.now() - began)} ms\n`)
setInterval(() => undefined, 60_000)
