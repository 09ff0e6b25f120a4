import { z } from 'zod'
import { digest } from './formats.ts'

// What we read of each answer. The published schema lies about types (numbers as texts, integers as texts), so these were
// written from recorded answers and are tested on them; unknown keys are let through, unread.

const number = z.union([
  z.number(),
  z
    .string()
    .regex(/^-?\d+(\.\d+)?$/)
    .transform(Number),
])
const flag = z.union([
  z.boolean(),
  z.literal([0, 1]).transform((n) => n === 1),
  z.literal(['0', '1']).transform((t) => t === '1'),
])
const text = z.union([z.string(), z.number().transform(String)])

/** `UPID:node:pid:pstart:starttime:type:id:user:`. */
export const upid = z
  .string()
  .regex(/^UPID:[a-zA-Z0-9-]+:[0-9A-F]{8,9}:[0-9A-F]{8,9}:[0-9A-F]{8}:[^:\s]+:[^:\s]*:[^:\s]+:$/)
  .brand('Upid')
export type Upid = z.output<typeof upid>

export const nothing = z.unknown().transform(() => undefined)

export const version = z.object({ version: z.string(), release: z.string() })

export const nodes = z.array(
  z.object({
    node: z.string(),
    status: z.string(),
    ssl_fingerprint: z.string().optional(),
    maxmem: number.optional(),
    mem: number.optional(),
  }),
)

/** A VM, storage or node in the one call that tells all. */
export const resources = z.array(
  z.object({
    id: z.string(),
    type: z.string(),
    node: z.string().optional(),
    status: z.string().optional(),
    vmid: number.optional(),
    name: z.string().optional(),
    tags: z.string().optional(),
    pool: z.string().optional(),
    lock: z.string().optional(),
    template: flag.optional(),
    storage: z.string().optional(),
    shared: flag.optional(),
    content: z.string().optional(),
    disk: number.optional(),
    maxdisk: number.optional(),
    mem: number.optional(),
    maxmem: number.optional(),
    cpu: number.optional(),
    maxcpu: number.optional(),
    uptime: number.optional(),
  }),
)
export type Resource = z.output<typeof resources>[number]

/** The configuration of a VM. Drives and NICs are read by name. */
export const vmConfig = z
  .looseObject({
    digest,
    name: z.string().optional(),
    description: z.string().optional(),
    tags: z.string().optional(),
    lock: z.string().optional(),
    onboot: flag.optional(),
    template: flag.optional(),
    cores: number.optional(),
    memory: text.optional(),
    protection: flag.optional(),
    virtio0: z.string().optional(),
    ide2: z.string().optional(),
    net0: z.string().optional(),
  })
  .readonly()
export type VmConfig = z.output<typeof vmConfig>

export const vmStatus = z.object({
  status: z.string(),
  qmpstatus: z.string().optional(),
  lock: z.string().optional(),
  cpu: number.optional(),
  mem: number.optional(),
  maxmem: number.optional(),
  diskread: number.nullish(),
  diskwrite: number.nullish(),
  netin: number.nullish(),
  netout: number.nullish(),
  uptime: number.optional(),
})
export type VmStatus = z.output<typeof vmStatus>

export const taskStatus = z.object({
  upid: z.string(),
  status: z.literal(['running', 'stopped']),
  exitstatus: z.string().optional(),
})

export const taskLog = z.array(z.object({ n: number, t: z.string() }))

/** In a list of tasks `status` is the exit status, and absent (or `RUNNING`) while it runs. */
export const tasks = z.array(
  z.object({
    upid: z.string(),
    type: z.string(),
    id: z.string().optional(),
    user: z.string(),
    status: z.string().optional(),
    starttime: number,
    endtime: number.optional(),
  }),
)

export const snapshots = z.array(
  z.object({ name: z.string(), description: z.string().optional(), snaptime: number.optional(), parent: z.string().optional() }),
)

export const storageStatus = z.object({
  active: flag,
  enabled: flag,
  avail: number.optional(),
  total: number.optional(),
  used: number.optional(),
  type: z.string(),
  content: z.string(),
  shared: flag.optional(),
})

export const volumes = z.array(
  z.object({
    volid: z.string(),
    content: z.string().optional(),
    format: z.string().optional(),
    size: number.optional(),
    vmid: number.optional(),
    parent: z.string().nullish(),
  }),
)

export const pools = z.array(
  z.object({ poolid: z.string(), members: z.array(z.object({ id: z.string(), vmid: number.optional() })).optional() }),
)

/** Privileges by path, as the token has them after the cut with its user's. */
export const permissions = z.record(z.string(), z.record(z.string(), flag))

export const firewallOptions = z.looseObject({
  enable: flag.optional(),
  dhcp: flag.optional(),
  ipfilter: flag.optional(),
  macfilter: flag.optional(),
  ndp: flag.optional(),
  radv: flag.optional(),
  policy_in: z.string().optional(),
  policy_out: z.string().optional(),
})

export const firewallRules = z.array(
  z.looseObject({
    pos: number,
    type: z.string(),
    action: z.string(),
    enable: flag.optional(),
    source: z.string().optional(),
    dest: z.string().optional(),
    proto: z.string().optional(),
    dport: text.optional(),
    comment: z.string().optional(),
  }),
)

export const ipsetMembers = z.array(z.object({ cidr: z.string() }))

export const termproxy = z.object({ port: text, ticket: z.string(), user: z.string(), upid })

/** What the guest says, handed on by the server. */
export const agentResult = z.object({ result: z.unknown() })
export const agentStarted = z.object({ pid: number })
export const agentExit = z.object({
  exited: flag,
  exitcode: number.optional(),
  signal: number.optional(),
  'out-data': z.string().default(''),
  'err-data': z.string().default(''),
})

export const tokenCreated = z.object({ 'full-tokenid': z.string(), value: z.string() })
export const users = z.array(z.object({ userid: z.string(), enable: flag.optional() }))
export const tokens = z.array(z.object({ tokenid: z.string(), privsep: flag.optional(), expire: number.optional() }))
export const roles = z.array(z.object({ roleid: z.string(), privs: z.string().optional() }))
export const acl = z.array(
  z.object({ path: z.string(), roleid: z.string(), type: z.string(), ugid: z.string(), propagate: flag.optional() }),
)
export const storages = z.array(
  z.object({ storage: z.string(), type: z.string(), content: z.string().optional(), shared: flag.optional() }),
)
/** Networks that are defined for the whole cluster. */
export const vnets = z.array(z.object({ vnet: z.string(), zone: z.string().optional() }))

export const networks = z.array(z.object({ iface: z.string(), type: z.string(), active: flag.optional() }))
/** Datacenter options; `next-id` is a property string or an object. */
export const clusterOptions = z.looseObject({ 'next-id': z.unknown().optional() })
