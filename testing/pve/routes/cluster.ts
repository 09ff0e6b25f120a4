import { flagged, optional, text, WithSiblings, type Context, type Routes } from '../context.ts'
import { volumesOf } from '../drives.ts'
import { vnetsOn } from '../networks.ts'
import { badParameter, died, Refusal } from '../refusal.ts'
import { vmOf } from './vms.ts'
import type { Vm } from '../world.ts'

function vmResource(c: Context, vm: Vm): Record<string, unknown> {
  const online = c.world.nodes.get(vm.node)?.online === true
  const base = {
    id: `qemu/${vm.vmid}`,
    node: vm.node,
    type: 'qemu',
    vmid: vm.vmid,
    ...(vm.pool !== undefined && { pool: vm.pool }),
  }
  // what a node that is down runs is not known
  const lock = vm.config['lock'] === undefined ? {} : { lock: vm.config['lock'] }
  if (!online)
    return {
      ...base,
      status: 'unknown',
      name: vm.config['name'],
      ...(vm.config['tags'] !== undefined && { tags: vm.config['tags'] }),
    }
  if (performance.now() - vm.bornAtMs < c.world.statLagMs) return { ...base, status: 'unknown' }
  const running = vm.power !== 'stopped'
  const disk = volumesOf(c, vm.node, vm.config).find(({ key }) => /^(scsi|virtio)0$/.test(key))?.volume.sizeBytes ?? 0
  return {
    ...base,
    ...lock,
    cpu: 0,
    disk: 0,
    diskread: 0,
    diskwrite: 0,
    maxcpu: Number(vm.config['cores'] ?? 1),
    maxdisk: disk,
    maxmem: Number(vm.config['memory'] ?? 512) * 2 ** 20,
    mem: 0,
    memhost: 0,
    name: vm.config['name'] ?? `VM ${vm.vmid}`,
    netin: 0,
    netout: 0,
    status: running ? 'running' : 'stopped',
    ...(vm.config['tags'] !== undefined && { tags: vm.config['tags'] }),
    template: vm.config['template'] === 1 ? 1 : 0,
    uptime: running ? Math.max(0, c.world.now() - vm.startedAt) : 0,
  }
}

function resources(c: Context): unknown {
  const type = optional(c, 'type')
  const { world, access, caller } = c
  const nodes = [...world.nodes.values()].map((node) => {
    const base = {
      id: `node/${node.name}`,
      node: node.name,
      type: 'node',
      status: node.online ? 'online' : 'offline',
      level: '',
      'cgroup-mode': 2,
    }
    if (!access.may(caller, `/nodes/${node.name}`, 'Sys.Audit')) return base
    const used = [...world.vms.values()].filter((vm) => vm.node === node.name && vm.power !== 'stopped')
    const mem = 2 ** 30 + used.reduce((sum, vm) => sum + Number(vm.config['memory'] ?? 512) * 2 ** 20, 0)
    return { ...base, maxmem: node.memoryMiB * 2 ** 20, mem, maxcpu: node.cpus, cpu: 0.02 }
  })
  const vms = [...world.vms.values()]
    .filter((vm) => !world.hidden.has(vm.vmid) && access.may(caller, `/vms/${vm.vmid}`, 'VM.Audit'))
    .map((vm) => vmResource(c, vm))
  const storages = [...world.storages.values()].flatMap((storage) =>
    [...world.nodes.values()]
      .filter((node) => storage.nodes.length === 0 || storage.nodes.includes(node.name))
      .filter(() => ['Datastore.Audit', 'Datastore.AllocateSpace'].some((p) => access.may(caller, `/storage/${storage.id}`, p)))
      .map((node) => {
        const up = node.online && storage.active
        return {
          id: `storage/${node.name}/${storage.id}`,
          type: 'storage',
          node: node.name,
          storage: storage.id,
          content: storage.content,
          shared: Number(storage.shared),
          status: up ? 'available' : 'unknown',
          disk: up ? Math.round(world.usedBytes(node.name, storage.id)) : 0,
          maxdisk: up ? storage.totalBytes : 0,
          plugintype: storage.type,
        }
      }),
  )
  return [
    ...(type === undefined || type === 'vm' ? vms : []),
    ...(type === undefined || type === 'node' ? nodes : []),
    ...(type === undefined || type === 'storage' ? storages : []),
  ]
}

function nextid(c: Context): string {
  const wanted = optional(c, 'vmid')
  if (wanted !== undefined) {
    if (c.world.exists(Number(wanted))) throw badParameter({ vmid: `VM ${wanted} already exists` })
    return wanted
  }
  const [, lower = '100', , upper = '1000000'] =
    /lower=(\d+)(,upper=(\d+))?/.exec(String(c.world.clusterOptions['next-id'] ?? '')) ?? []
  for (let id = Number(lower); id < Number(upper); id++) if (!c.world.exists(id)) return String(id)
  throw died('unable to get any free VMID')
}

function memberOf(c: Context, vm: Vm): unknown {
  const { pool: _, ...rest } = vmResource(c, vm)
  return rest
}

/** The cluster, its nodes and pools. */
export const clusterRoutes: Routes = {
  'GET /version': () => ({ release: '9.1', repoid: 'stand-in', version: '9.1.9' }),
  'GET /nodes': (c) =>
    [...c.world.nodes.values()].map((node) => ({
      id: `node/${node.name}`,
      level: '',
      node: node.name,
      ssl_fingerprint: node.fingerprint,
      status: node.online ? 'online' : 'offline',
      type: 'node',
    })),
  'GET /nodes/{node}/status': (c) => ({
    uptime: 1000,
    memory: { total: (c.world.nodes.get(text(c, 'node'))?.memoryMiB ?? 0) * 2 ** 20 },
  }),
  'GET /nodes/{node}/network': (c) => {
    const node = text(c, 'node')
    const bridges = [...(c.world.nodes.get(node)?.bridges ?? [])]
    const vnets =
      optional(c, 'type') === 'any_bridge' ? vnetsOn(c.world, node).map((iface) => ({ active: 1, iface, type: 'vnet' })) : []
    const data = [
      ...vnets,
      ...bridges.map((iface) => ({
        active: 1,
        address: '10.99.0.1',
        autostart: 1,
        bridge_fd: '0',
        bridge_ports: '',
        bridge_stp: 'off',
        cidr: '10.99.0.1/24',
        families: ['inet'],
        iface,
        method: 'static',
        method6: 'manual',
        netmask: '24',
        priority: 3,
        type: 'bridge',
      })),
      ...[...c.world.interfaces.values()],
    ]
    return c.world.interfaces.size === 0 ? data : new WithSiblings({ changes: 'see the interfaces', data })
  },
  'POST /nodes/{node}/network': (c) => {
    const { node: _, ...rest } = c.given as Record<string, string>
    const [address = '', netmask = ''] = text(c, 'cidr').split('/')
    c.world.interfaces.set(text(c, 'iface'), {
      ...rest,
      autostart: 1,
      address,
      netmask,
      method: 'static',
      method6: 'manual',
      priority: 4,
      bridge_fd: '0',
      bridge_ports: '',
      bridge_stp: 'off',
      families: ['inet'] as unknown as string,
    })
  },
  'DELETE /nodes/{node}/network': (c) => c.world.interfaces.clear(),
  'GET /cluster/resources': resources,
  'GET /cluster/nextid': nextid,
  'GET /cluster/options': (c) => ({ ...c.world.clusterOptions }),
  'PUT /cluster/options': (c) => {
    for (const [key, value] of Object.entries(c.given)) if (key !== 'delete') c.world.clusterOptions[key] = String(value)
  },
  'POST /nodes/{node}/qemu/{vmid}/migrate': (c) => {
    const target = text(c, 'target')
    const vm = vmOf(c)
    if (!c.world.nodes.has(target)) throw died(`no such cluster node '${target}'`)
    if (target === vm.node) throw badParameter({ target: 'target is local node.' })
    return c.world.startTask(vm.node, 'qmigrate', String(vm.vmid), c.caller.id, async () => {
      for (const { volume } of volumesOf(c, vm.node, vm.config)) {
        if (volume.node === null) continue
        c.world.volumes.delete(c.world.volumeKey(volume.node, volume.volid))
        volume.node = target
        c.world.volumes.set(c.world.volumeKey(target, volume.volid), volume)
      }
      vm.node = target
    })
  },
  'GET /pools': (c) => {
    const poolid = optional(c, 'poolid')
    const shown = [...c.world.pools].filter(
      ([id]) => (poolid === undefined || id === poolid) && c.access.may(c.caller, `/pool/${id}`, 'Pool.Audit'),
    )
    if (poolid === undefined) return shown.map(([id, { comment }]) => ({ poolid: id, comment }))
    if (!c.world.pools.has(poolid)) throw died(`pool '${poolid}' does not exist`)
    c.access.require(c.caller, `/pool/${poolid}`, 'Pool.Audit')
    return shown.map(([id, { comment }]) => ({
      comment,
      members: [...c.world.vms.values()].filter((vm) => vm.pool === id).map((vm) => memberOf(c, vm)),
      poolid: id,
    }))
  },
  'POST /pools': (c) => {
    const poolid = text(c, 'poolid')
    if (c.world.pools.has(poolid)) throw died(`create pool failed: pool '${poolid}' already exists`)
    c.world.pools.set(poolid, { comment: optional(c, 'comment') ?? '' })
  },
  'PUT /pools/{poolid}': putPool,
  'PUT /pools': putPool,
  'DELETE /pools': (c) => {
    const poolid = text(c, 'poolid')
    const member = [...c.world.vms.values()].find((vm) => vm.pool === poolid)
    if (member !== undefined) throw died(`delete pool failed: pool '${poolid}' is not empty (contains VM ${member.vmid})`)
    c.world.pools.delete(poolid)
  },
  'GET /cluster/backup': () => [],
  'GET /cluster/sdn/zones': (c) => [...c.world.zones.values()],
  'POST /cluster/sdn/zones': (c) => {
    const zone = text(c, 'zone')
    if (zone.length > 8) throw badParameter({ zone: 'value may only be 8 characters long' })
    if (c.world.zones.has(zone)) throw died(`create sdn zone object failed: sdn zone object ID '${zone}' already defined`)
    const nodes = optional(c, 'nodes')
    c.world.zones.set(zone, { zone, type: text(c, 'type'), ...(nodes !== undefined && { nodes }) })
  },
  'DELETE /cluster/sdn/zones/{zone}': (c) => {
    const zone = text(c, 'zone')
    const user = [...c.world.vnets.values()].find((v) => v['zone'] === zone)
    if (user !== undefined) {
      throw died(
        `delete sdn zone object failed: zone ${zone} is used by vnet ${user['vnet']} at /usr/share/perl5/PVE/Network/SDN/Zones/Plugin.pm line 163.`,
      )
    }
    c.world.zones.delete(zone)
  },
  'GET /cluster/sdn/vnets': (c) =>
    [...c.world.vnets.values()]
      .filter((v) => ['SDN.Audit', 'SDN.Allocate'].some((p) => c.access.may(c.caller, `/sdn/zones/${v['zone']}/${v['vnet']}`, p)))
      .filter((v) => v['applied'] === 1 || !flagged(c, 'running'))
      .map((v) =>
        v['applied'] === 1 || !flagged(c, 'pending')
          ? { digest: 'x', type: 'vnet', vnet: v['vnet'], zone: v['zone'] }
          : { digest: null, pending: { zone: v['zone'] }, state: 'new', type: 'vnet', vnet: v['vnet'] },
      ),
  'POST /cluster/sdn/vnets': (c) => void c.world.vnets.set(text(c, 'vnet'), { vnet: text(c, 'vnet'), zone: text(c, 'zone') }),
  'GET /cluster/sdn/vnets/{vnet}/subnets': (c) => [...c.world.subnets.values()].filter((s) => s['vnet'] === text(c, 'vnet')),
  'POST /cluster/sdn/vnets/{vnet}/subnets': (c) => {
    const zone = String(c.world.vnets.get(text(c, 'vnet'))?.['zone'] ?? '')
    const cidr = text(c, 'subnet')
    const [network = '', mask = ''] = cidr.split('/')
    const id = `${zone}-${network}-${mask}`
    c.world.subnets.set(id, {
      cidr,
      'dhcp-range': [] as unknown as string,
      digest: 'x',
      gateway: optional(c, 'gateway') ?? '',
      id,
      mask,
      network,
      snat: flagged(c, 'snat') ? 1 : 0,
      subnet: id,
      type: 'subnet',
      vnet: text(c, 'vnet'),
      zone,
    })
  },
  'PUT /cluster/sdn': (c) => {
    for (const vnet of c.world.vnets.values()) vnet['applied'] = 1
    return c.world.startTask([...c.world.nodes.keys()][0] ?? '', 'reloadnetworkall', '', c.caller.id, async (task) => {
      for (const node of c.world.nodes.keys()) task.lines.push(`${node}: reloading network config`)
    })
  },
}

function putPool(c: Context): void {
  const poolid = text(c, 'poolid')
  if (!c.world.pools.has(poolid)) throw new Refusal(500, `update pools failed: pool '${poolid}' does not exist`)
  for (const id of (optional(c, 'vms') ?? '').split(/[,; ]+/).filter((v) => v !== '')) {
    const vm = c.world.vms.get(Number(id))
    if (vm === undefined) throw died(`update pools failed: VM ${id} does not exist`)
    vm.pool = flagged(c, 'delete') ? undefined : poolid
  }
}
