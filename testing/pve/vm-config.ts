import type { Context } from './context.ts'
import { checkDrive, isDrive, parseDrive } from './drives.ts'
import { badParameter, died } from './refusal.ts'
import { findRoute, parameterOf } from './schema.ts'
import { digestOf, newUuid, randomMac, type Vm, type VmConfig } from './world.ts'

/** Parameters of a request that are no keys of the configuration. */
const control = new Set(
  'node vmid delete revert force digest skiplock background_delay pool storage start archive unique bwlimit import-working-storage live-restore ha-managed import-extraction-storage'.split(
    ' ',
  ),
)

/** The keys of a configuration that a request gives. */
export function keysOf(c: Context): string[] {
  return Object.keys(c.given).filter((name) => !control.has(name))
}

function privilegeOf(key: string): string | undefined {
  if (isDrive(key) || key === 'boot' || key === 'bootdisk') return 'VM.Config.Disk'
  if (/^(cores|sockets|cpu|cpulimit|cpuunits|numa\d*|vcpus)$/.test(key)) return 'VM.Config.CPU'
  if (/^(memory|balloon|shares)$/.test(key)) return 'VM.Config.Memory'
  if (/^net\d+$/.test(key)) return 'VM.Config.Network'
  if (/^(ciuser|cipassword|cicustom|citype|ciupgrade|nameserver|searchdomain|sshkeys|ipconfig\d+)$/.test(key))
    return 'VM.Config.Cloudinit'
  if (/^(scsihw|vga|machine|bios|serial\d+|usb\d+|audio0|rng0|watchdog|hotplug|kvm|acpi|tablet)$/.test(key))
    return 'VM.Config.HWType'
  if (/^(name|agent|onboot|description|tags|ostype|protection|template|startup|localtime|hookscript|autostart)$/.test(key))
    return 'VM.Config.Options'
  return undefined
}

/** What the server refuses at once: rights, things for root alone, storages, bridges. Nothing has changed yet. */
export function checkKeys(c: Context, node: string, vmid: number, creating: boolean): void {
  const root = c.access.isRoot(c.caller)
  const deleted = (c.given['delete'] === undefined ? '' : String(c.given['delete'])).split(/[,; ]+/).filter((key) => key !== '')
  for (const key of [...keysOf(c), ...deleted]) {
    const value = deleted.includes(key) ? undefined : String(c.given[key])
    if ((key === 'args' || key === 'lock') && !root) throw died(`only root can set '${key}' config`)
    if (/^usb\d+$/.test(key) && value?.startsWith('host=') === true && !root)
      throw died(`only root can set '${key}' config for real devices`)
    if (key === 'skiplock' && !root) throw badParameter({ skiplock: 'Only root may use this option.' })
    if (isDrive(key) && value !== undefined && parseDrive(value).options['import-from']?.startsWith('/') === true && !root) {
      throw died('Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line 651.')
    }
    const cdrom = isDrive(key) && (value ?? '').includes('media=cdrom')
    const privilege = cdrom ? 'VM.Config.CDROM' : privilegeOf(key)
    if (creating) {
      // on a create the pool speaks for the VM that is not there yet
      const pool = c.given['pool']
      if (privilege !== undefined && !c.access.may(c.caller, `/vms/${vmid}`, privilege)) {
        c.access.require(c.caller, pool === undefined ? `/vms/${vmid}` : `/pool/${String(pool)}`, privilege)
      }
    } else if (privilege !== undefined) c.access.require(c.caller, `/vms/${vmid}`, privilege)
    if (value === undefined) continue
    if (key === 'hookscript') throw badParameter({ hookscript: `script '${value}' does not exist\n` })
    if (isDrive(key)) checkDrive(c, node, key, value)
    if (/^net\d+$/.test(key)) checkBridge(c, node, value)
    if (key === 'sshkeys' && !keysParse(value)) throw died('SSH public key validation error')
  }
}

/** The server runs ssh-keygen over the keys: a key whose text is not whole is refused. */
function keysParse(encoded: string): boolean {
  return decodeURIComponent(encoded)
    .split('\n')
    .filter((line) => line.trim() !== '')
    .every((line) => {
      const [type = '', blob = ''] = line.split(' ')
      if (type === 'ssh-ed25519' && blob.length !== 68) return false
      const bytes = Buffer.from(blob, 'base64')
      return bytes.length >= 51 && bytes.subarray(4, 4 + bytes.readUInt32BE(0)).toString('latin1') === type
    })
}

function checkBridge(c: Context, node: string, value: string): void {
  const bridge = /(?:^|,)bridge=([^,]+)/.exec(value)?.[1]
  if (bridge === undefined) return
  const vnet = c.world.vnets.get(bridge)
  c.access.require(c.caller, `/sdn/zones/${vnet === undefined ? 'localnetwork' : String(vnet['zone'])}/${bridge}`, 'SDN.Use')
  void node
}

/** A value as the configuration keeps it: numbers where the schema says integer or boolean. */
export function stored(key: string, value: string): string | number {
  const route = findRoute('PUT', '/nodes/x/qemu/100/config')
  const type = route === undefined ? undefined : parameterOf(route.method, key)?.type
  if (type === 'boolean') return /^(1|on|yes|true)$/i.test(value) ? 1 : 0
  if (type === 'integer' || type === 'number') return Number(value)
  if (key === 'tags') return [...new Set(value.split(/[;, ]+/).filter((tag) => tag !== ''))].sort().join(';')
  if (/^net\d+$/.test(key)) return withMac(value)
  return value
}

function withMac(value: string): string {
  const [first = '', ...rest] = value.split(',')
  return first.includes('=') ? value : [`${first}=${randomMac()}`, ...rest].join(',')
}

/** What every new VM has. */
export function birthConfig(now: number): VmConfig {
  return { smbios1: `uuid=${newUuid()}`, vmgenid: newUuid(), meta: `creation-qemu=10.0.13,ctime=${now}` }
}

/** The configuration as GET answers it. */
export function shownConfig(vm: Vm, current: boolean): VmConfig {
  const config = { ...vm.config, ...(current ? {} : vm.pending) }
  if (config['cipassword'] !== undefined) config['cipassword'] = '**********'
  if (vm.parent !== undefined) config['parent'] = vm.parent
  return { ...config, boot: config['boot'] ?? ' ', digest: digestOf(vm.config) }
}

/** Writes keys, moving removed disks to `unusedN`. What a running VM cannot take waits in `pending`. */
export function applyKeys(c: Context, vm: Vm, values: VmConfig): void {
  const waits = (key: string) => vm.power !== 'stopped' && /^(memory|cores|sockets|cpu|machine|bios)$/.test(key)
  for (const key of String(c.given['revert'] ?? '').split(/[,; ]+/)) delete vm.pending[key]
  for (const key of String(c.given['delete'] ?? '').split(/[,; ]+/)) {
    const before = vm.config[key]
    delete vm.config[key]
    if (before === undefined || !isDrive(key)) continue
    const { file, options } = parseDrive(String(before))
    if (options['media'] !== 'cdrom') vm.config[freeUnused(vm)] = file
    if (String(vm.config['boot'] ?? '').includes(key)) vm.config['boot'] = ' '
  }
  for (const [key, value] of Object.entries(values)) {
    if (waits(key)) vm.pending[key] = value
    else vm.config[key] = value
    const file = isDrive(key) ? parseDrive(String(value)).file : undefined
    for (const other of Object.keys(vm.config))
      if (other.startsWith('unused') && vm.config[other] === file) delete vm.config[other]
  }
}

function freeUnused(vm: Vm): string {
  let n = 0
  while (vm.config[`unused${n}`] !== undefined) n++
  return `unused${n}`
}

/** What is refused under the lock: a stale digest, the lock in the configuration, boot devices, a second seed. */
export function checkState(c: Context, vm: Vm): void {
  const digest = c.given['digest']
  if (digest !== undefined && String(digest) !== digestOf(vm.config)) throw died('checksum mismatch (file change by other user?)')
  if (vm.config['lock'] !== undefined && c.given['skiplock'] === undefined) throw died(`VM is locked (${vm.config['lock']})`)
  const boot = /order=([^,]+)/.exec(String(c.given['boot'] ?? ''))?.[1]
  for (const device of (boot ?? '').split(';').filter((name) => name !== '')) {
    if (vm.config[device] === undefined && c.given[device] === undefined) {
      throw died(`invalid bootorder: device '${device}' does not exist'`)
    }
  }
  const seeds = keysOf(c).filter((key) => isDrive(key) && /:cloudinit/.test(String(c.given[key])))
  const has = Object.keys(vm.config).find((key) => isDrive(key) && /-cloudinit/.test(String(vm.config[key])))
  const [first, second] = [has ?? seeds[0], has === undefined ? seeds[1] : seeds.find((key) => key !== has)]
  if (first !== undefined && second !== undefined) {
    // the first one is made before the second is refused
    if (c.given[first] !== undefined && vm.config[first] === undefined) {
      vm.config[first] =
        `${String(c.given[first]).replace(':cloudinit', `:${vm.vmid}/vm-${vm.vmid}-cloudinit.qcow2`)},media=cdrom`
    }
    throw died(`${second} - cloud-init drive is already attached at '${first}'`)
  }
  if (vm.power !== 'stopped') {
    for (const key of keysOf(c).filter((name) => /^net\d+$/.test(name))) {
      const bridge = /(?:^|,)bridge=([^,]+)/.exec(String(c.given[key]))?.[1]
      const known = bridge === undefined || c.world.nodes.get(vm.node)?.bridges.has(bridge) === true || c.world.vnets.has(bridge)
      if (!known) throw badParameter({ [key]: `hotplug problem - bridge '${bridge}' does not exist\n` })
    }
  }
}
