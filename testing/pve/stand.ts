import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Access } from './access.ts'
import { createAuthority, type Authority } from './certificates.ts'
import type { Routes } from './context.ts'
import { Faults } from './faults.ts'
import type { Machines } from './machines.ts'
import { powerOn } from './power.ts'
import { accessRoutes } from './routes/access.ts'
import { agentRoutes } from './routes/agent.ts'
import { backupRoutes } from './routes/backup.ts'
import { clusterRoutes } from './routes/cluster.ts'
import { firewallRoutes } from './routes/firewall.ts'
import { powerRoutes } from './routes/power.ts'
import { snapshotRoutes } from './routes/snapshots.ts'
import { storageRoutes } from './routes/storage.ts'
import { taskRoutes } from './routes/tasks.ts'
import { vmRoutes } from './routes/vms.ts'
import { PveServer, type Asked } from './server.ts'
import { World } from './world.ts'

export interface StandOptions {
  /** Default: one node `pve1`. At most three. */
  nodes?: readonly string[]
  /** 0: as fast as can be; 1: the delays of the recorded server. */
  pace?: number
  machines?: Machines
  /** Ports by node; default free ones. */
  ports?: readonly number[]
}

/** A Proxmox VE cluster to test against, and what is outside of its API. */
export interface Stand {
  world: World
  access: Access
  faults: Faults
  authority: Authority
  servers: ReadonlyMap<string, PveServer>
  /** Everything that was asked, and which fault struck it. */
  log: Asked[]
  /** `PVEAPIToken=…` of a token that may do everything: for enrolment and to look at the world from outside. */
  rootToken: { id: string; secret: string }
  /** The leaf of a node in PEM, as it was at the start. */
  certificateOf(node: string): string
  /** Switches a node off or on: its API and its guests. */
  setOnline(node: string, online: boolean): Promise<void>
  /** What a node does when it comes up: VMs with `onboot` are started. */
  bootNode(node: string): Promise<void>
  close(): Promise<void>
}

export const allRoutes: Routes = {
  ...accessRoutes,
  ...clusterRoutes,
  ...storageRoutes,
  ...taskRoutes,
  ...vmRoutes,
  ...powerRoutes,
  ...snapshotRoutes,
  ...agentRoutes,
  ...firewallRoutes,
  ...backupRoutes,
}

/** Starts a stand-in on loopback. */
export async function openStand(options: StandOptions = {}): Promise<Stand> {
  const names = options.nodes ?? ['pve1']
  const faults = new Faults()
  const world = new World({
    pace: options.pace ?? 0,
    nodes: names,
    faults,
    ...(options.machines && { machines: options.machines }),
  })
  const access = new Access(world)
  world.addStorage({ id: 'local' })
  const { secret } = access.addToken('root@pam', 'enrol', { privsep: false })
  const authority = await createAuthority()
  const folder = await mkdtemp(join(tmpdir(), 'pve-stand-'))
  const log: Asked[] = []
  const servers = new Map<string, PveServer>()
  const leaves = new Map<string, string>()
  for (const [i, node] of names.entries()) {
    const certificate = await authority.issue(node)
    leaves.set(node, certificate.cert)
    const known = world.nodes.get(node)
    if (known !== undefined) known.fingerprint = new X509Certificate(certificate.cert).fingerprint256
    const port = options.ports?.[i]
    const server = new PveServer({
      world,
      access,
      routes: allRoutes,
      node,
      certificate,
      folder,
      log,
      ...(port !== undefined && { port }),
    })
    await server.listen()
    servers.set(node, server)
  }
  return {
    world,
    access,
    faults,
    authority,
    servers,
    log,
    rootToken: { id: 'root@pam!enrol', secret },
    certificateOf: (node) => leaves.get(node) ?? '',
    async setOnline(node, online) {
      const known = world.nodes.get(node)
      if (known === undefined) throw new Error(`no node ${node}`)
      known.online = online
      servers.get(node)?.refuse(!online)
      if (online) return
      for (const vm of world.vms.values()) {
        if (vm.node !== node) continue
        await world.machines?.kill(vm.vmid)
        vm.power = 'stopped'
      }
    },
    async bootNode(node) {
      const caller = { user: 'root@pam', token: undefined, id: 'root@pam' }
      for (const vm of world.vms.values()) {
        if (vm.node !== node || vm.config['onboot'] !== 1 || vm.power !== 'stopped') continue
        await powerOn({ world, access, caller, verb: 'POST', given: {}, upload: undefined }, vm, undefined)
      }
    },
    async close() {
      faults.clear()
      await world.settle()
      await Promise.all([...servers.values()].map((server) => server.close()))
      await world.machines?.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
