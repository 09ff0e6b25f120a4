import { isIPv4, isIPv6 } from 'node:net'
import { z } from 'zod'

// What we send in each format of the server. Each set lies inside the server's own: testing/pve/formats.test.ts holds them
// against the verdicts of its validators. Stricter on purpose: what is refused here was never needed.

/** Name of a VM: DNS labels in lower case, at most 63 characters in all. */
export const vmName = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/)
  .brand('VmName')
export type VmName = z.output<typeof vmName>

/** Name of a node of the cluster. */
export const nodeName = z
  .string()
  .max(63)
  .regex(/^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$/)
  .brand('NodeName')
export type NodeName = z.output<typeof nodeName>

/** Id of a VM, as a number. */
export const vmid = z.number().int().min(100).max(999_999_999).brand('Vmid')
export type Vmid = z.output<typeof vmid>

/** An id as the server writes it in texts. */
export const vmidText = z
  .string()
  .regex(/^[1-9][0-9]{2,8}$/)
  .transform(Number)
  .pipe(vmid)

/** Name of a storage. */
export const storageId = z
  .string()
  .max(100)
  .regex(/^[a-zA-Z][a-zA-Z0-9._-]*[a-zA-Z0-9]$/)
  .brand('StorageId')
export type StorageId = z.output<typeof storageId>

const volumePattern = String.raw`[a-zA-Z][a-zA-Z0-9._-]*[a-zA-Z0-9]:[a-zA-Z0-9][a-zA-Z0-9._/@+-]*`

/** `storage:path`; never a path of the file system, which only root may name. */
export const volumeId = z
  .string()
  .max(256)
  .regex(new RegExp(`^${volumePattern}$`))
  .refine((text) => !text.includes('..'))
  .brand('VolumeId')
export type VolumeId = z.output<typeof volumeId>

/** A bridge of Linux, which knows no longer name than 15 characters. */
export const bridge = z
  .string()
  .max(15)
  .regex(/^[a-zA-Z][a-zA-Z0-9_-]*$/)
  .brand('Bridge')
export type Bridge = z.output<typeof bridge>

/** One tag, in lower case. */
export const tag = z
  .string()
  .max(64)
  .regex(/^[a-z0-9_][a-z0-9_.+-]*$/)
  .brand('Tag')
export type Tag = z.output<typeof tag>

/** Name of a pool, without nesting. */
export const poolId = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/)
  .brand('PoolId')
export type PoolId = z.output<typeof poolId>

/** Name of a role. */
export const roleId = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/)
  .brand('RoleId')
export type RoleId = z.output<typeof roleId>

/** `user@realm`. */
export const userId = z
  .string()
  .max(60)
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]*@[a-zA-Z][a-zA-Z0-9._-]+$/)
  .brand('UserId')
export type UserId = z.output<typeof userId>

/** `user@realm!name`. */
export const tokenId = z
  .string()
  .max(128)
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]*@[a-zA-Z][a-zA-Z0-9._-]+![a-zA-Z][a-zA-Z0-9._-]+$/)
  .brand('TokenId')
export type TokenId = z.output<typeof tokenId>

/** Name of a snapshot. The port's own name goes into its description. */
export const snapshotName = z
  .string()
  .max(40)
  .regex(/^[a-zA-Z][a-zA-Z0-9_-]+$/)
  .brand('SnapshotName')
export type SnapshotName = z.output<typeof snapshotName>

/** A unicast MAC address with colons. */
export const mac = z
  .string()
  .regex(/^[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}$/)
  .brand('Mac')

/** Size of a disk in whole GiB, or what it grows by. */
export const diskSize = z
  .string()
  .regex(/^[1-9][0-9]{0,5}G$/)
  .brand('DiskSize')
export type DiskSize = z.output<typeof diskSize>

/** SHA-1 of a configuration, in hex, as the server tells it. Sent back it refuses a write over somebody else's. */
export const digest = z
  .string()
  .regex(/^[0-9a-f]{40}$/)
  .brand('Digest')
export type Digest = z.output<typeof digest>

/** The boot order: one device. */
export const boot = z
  .string()
  .regex(/^order=(scsi|ide|virtio|net)[0-9]$/)
  .brand('Boot')
export type Boot = z.output<typeof boot>

/** `virtio=MAC,bridge=…[,firewall=1][,tag=…]`. */
export const net = z
  .string()
  .regex(
    /^virtio=[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5},bridge=[a-zA-Z][a-zA-Z0-9_-]{0,14}(,firewall=[01])?(,tag=([1-9][0-9]{0,2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-4]))?$/,
  )
  .brand('Net')
export type Net = z.output<typeof net>

/**
 * A drive: an existing volume, a new one of so many GiB, or an empty optical drive; options from a short list.
 * `import-from` is added to a new one of size 0: the server's parser for stored drives does not know it, its create does.
 */
export const drive = z
  .string()
  .regex(
    new RegExp(
      `^(none,media=cdrom|${volumePattern})(,media=cdrom|,discard=on|,iothread=1|,ssd=1|,backup=[01]|,format=(qcow2|raw)|,size=[1-9][0-9]{0,6}[KMG])*$`,
    ),
  )
  .refine((text) => !text.includes('..'))
  .brand('Drive')
export type Drive = z.output<typeof drive>

const prefixed = (isIp: (text: string) => boolean, from: number, to: number) => (text: string) => {
  const [address = '', bits = '', ...rest] = text.split('/')
  return rest.length === 0 && isIp(address) && /^[1-9][0-9]{0,2}$/.test(bits) && Number(bits) >= from && Number(bits) <= to
}
/** An IPv4 network or address with its prefix length. */
export const cidr4 = z
  .string()
  .refine(prefixed(isIPv4, 8, 32))
  .brand('Cidr4')
/** An IPv6 network or address with its prefix length. */
export const cidr6 = z
  .string()
  .refine(prefixed((text) => isIPv6(text) && !text.includes('%'), 8, 128))
  .brand('Cidr6')

/** A network with its prefix length, in which guests or operators are. */
export const network = z.union([cidr4, cidr6])
export type Network = z.output<typeof network>

/** Source or destination of a firewall rule: one address or one network. */
export const fwAddress = z.union([z.ipv4(), z.ipv6().refine((text) => !text.includes('%')), cidr4, cidr6]).brand('FwAddress')
export type FwAddress = z.output<typeof fwAddress>

const port = (text: string) => /^[1-9][0-9]{0,4}$/.test(text) && Number(text) <= 65_535
/** Ports of a firewall rule: `22,5900:5999`, the lower end of a range first. */
export const fwPorts = z
  .string()
  .refine((text) =>
    text.split(',').every((part) => {
      const [from = '', to, ...rest] = part.split(':')
      return rest.length === 0 && port(from) && (to === undefined || (port(to) && Number(from) < Number(to)))
    }),
  )
  .brand('FwPorts')
export type FwPorts = z.output<typeof fwPorts>

/** Content types of a storage that we set. */
export const contentList = z
  .string()
  .regex(/^(images|rootdir|vztmpl|iso|backup|snippets|import)(,(images|rootdir|vztmpl|iso|backup|snippets|import))*$/)
  .brand('ContentList')

const ipKinds: Readonly<Record<string, (value: string) => boolean>> = {
  ip: (value) => value === 'dhcp' || cidr4.safeParse(value).success,
  gw: (value) => isIPv4(value),
  ip6: (value) => value === 'dhcp' || value === 'auto' || cidr6.safeParse(value).success,
  gw6: (value) => isIPv6(value) && !value.includes('%'),
}
/** `ip=…/24,gw=…,ip6=…/64,gw6=…`; a gateway needs its address. */
export const ipconfig = z
  .string()
  .refine((text) => {
    const pairs = text.split(',').map((part) => part.split('='))
    const keys = pairs.map(([key = '']) => key)
    return (
      new Set(keys).size === keys.length &&
      pairs.every(([key = '', value = '', ...rest]) => rest.length === 0 && ipKinds[key]?.(value) === true) &&
      (!keys.includes('gw') || keys.includes('ip')) &&
      (!keys.includes('gw6') || keys.includes('ip6'))
    )
  })
  .brand('Ipconfig')
export type Ipconfig = z.output<typeof ipconfig>
