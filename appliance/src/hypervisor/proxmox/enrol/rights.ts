import type { ProxmoxOptions } from '../options.ts'

/** One role of ours: what it holds and why. The order is that of the plan shown to a person. */
export interface Grant {
  role: string
  /** Paths that it is given on, to the user and to the token. */
  paths: readonly string[]
  privileges: readonly string[]
  why: string
}

/** What rights depend on. */
export type RightsScope = Pick<ProxmoxOptions, 'pool' | 'diskStorage' | 'mediaStorage' | 'bridge'> & {
  nodes: readonly string[]
  /** Zone of the bridge or vnet; bridges of Linux are in `localnetwork`. */
  zone: string
}

const vmPrivileges = [
  'Pool.Audit',
  'VM.Allocate',
  'VM.Audit',
  'VM.Clone',
  'VM.Config.CDROM',
  'VM.Config.CPU',
  'VM.Config.Disk',
  'VM.Config.HWType',
  'VM.Config.Memory',
  'VM.Config.Network',
  'VM.Config.Options',
  'VM.Console',
  'VM.GuestAgent.Audit',
  'VM.GuestAgent.FileSystemMgmt',
  'VM.PowerMgmt',
  'VM.Snapshot',
  'VM.Snapshot.Rollback',
] as const

/** The least that the driver needs, path by path; nothing on `/`. Pure. */
export function grantsFor(scope: RightsScope): Grant[] {
  const grants: Grant[] = [
    { role: 'FreeholdVM', paths: [`/pool/${scope.pool}`], privileges: vmPrivileges, why: 'VMs of the pool, and no others' },
    {
      role: 'FreeholdDisk',
      paths: [`/storage/${scope.diskStorage}`],
      privileges: ['Datastore.AllocateSpace', 'Datastore.Audit'],
      why: 'disks of VMs',
    },
    {
      role: 'FreeholdMedia',
      paths: [`/storage/${scope.mediaStorage}`],
      privileges: ['Datastore.Allocate', 'Datastore.AllocateTemplate', 'Datastore.Audit'],
      why: 'seeds and images; every file on this storage is open to Freehold, so it has one of its own',
    },
    {
      role: 'FreeholdNetwork',
      paths: [`/sdn/zones/${scope.zone}/${scope.bridge}`],
      privileges: ['SDN.Use'],
      why: 'the bridge of the guests',
    },
    {
      role: 'FreeholdNode',
      paths: scope.nodes.map((node) => `/nodes/${node}`),
      privileges: ['Sys.Audit'],
      why: 'free memory of nodes',
    },
  ]
  return grants
}
