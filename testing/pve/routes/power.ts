import { flagged, optional, type Context, type Routes } from '../context.ts'
import { isDrive, volumesOf } from '../drives.ts'
import { askToShutDown, powerOff, powerOn } from '../power.ts'
import { badParameter, died } from '../refusal.ts'
import type { Task, Vm } from '../world.ts'
import { requireUnlocked, vmOf } from './vms.ts'

const runs = (vm: Vm) => vm.power !== 'stopped'

/** A verb on the power of a VM: a task under its lock. */
function power(
  type: string,
  work: (c: Context, vm: Vm, task: Task) => Promise<void>,
  options: { needsRunning?: boolean; mayMiss?: boolean; ms?: number } = {},
) {
  return (c: Context): unknown => {
    if (optional(c, 'skiplock') !== undefined && !c.access.isRoot(c.caller))
      throw badParameter({ skiplock: 'Only root may use this option.' })
    const { node, vmid } = c.given as { node: string; vmid: string }
    // a start of a VM that is not there fails in its task only
    const early = options.mayMiss === true ? undefined : vmOf(c)
    if (options.needsRunning === true && early !== undefined && !runs(early)) throw died(`VM ${vmid} not running`)
    return c.world.startTask(
      node,
      type,
      vmid,
      c.caller.id,
      (task) =>
        c.world.withVmLock(Number(vmid), async () => {
          const vm = vmOf(c)
          requireUnlocked(vm)
          await work(c, vm, task)
        }),
      { ms: options.ms ?? 200 },
    )
  }
}

async function shutDown(c: Context, vm: Vm, task: Task): Promise<void> {
  if (!runs(vm)) return
  const timeout = Number(optional(c, 'timeout') ?? 180)
  if (vm.config['agent'] !== undefined && c.world.silent.has(vm.vmid)) {
    task.lines.push(`QEMU Guest Agent is not running - VM ${vm.vmid} qga command 'guest-ping' failed - got timeout`)
  }
  if (await askToShutDown(c, vm, timeout)) {
    vm.power = 'stopped'
    return
  }
  if (!flagged(c, 'forceStop')) throw died('VM quit/powerdown failed - got timeout')
  task.lines.push('VM still running - terminating now with SIGTERM')
  await powerOff(c, vm)
}

function blockOf(): Record<string, number> {
  return { rd_bytes: 0, wr_bytes: 0, rd_operations: 0, wr_operations: 0, flush_operations: 0 }
}

/** What `status/current` tells. */
function status(c: Context): Record<string, unknown> {
  const vm = vmOf(c)
  const running = runs(vm)
  const memory = Number(vm.config['memory'] ?? 512) * 2 ** 20
  const drives = Object.keys(vm.config).filter(isDrive)
  const maxdisk = volumesOf(c, vm.node, vm.config).find(({ key }) => /^(scsi|virtio)0$/.test(key))?.volume.sizeBytes ?? 0
  const live = {
    balloon: memory,
    ballooninfo: { actual: memory, max_mem: memory },
    blockstat: Object.fromEntries(drives.map((key) => [key, blockOf()])),
    diskread: 59_496_034,
    diskwrite: 4_067_328,
    nics: Object.fromEntries(
      Object.keys(vm.config)
        .filter((key) => /^net\d+$/.test(key))
        .map((key) => [`tap${vm.vmid}i${key.slice(3)}`, { netin: 220, netout: 586 }]),
    ),
    pid: 1118,
    ...Object.fromEntries(
      ['cpufull', 'cpusome', 'iofull', 'iosome', 'memoryfull', 'memorysome'].map((key) => [`pressure${key}`, 0]),
    ),
    'proxmox-support': {
      'backup-access-api': true,
      'backup-fleecing': true,
      'backup-max-workers': true,
      'pbs-dirty-bitmap': true,
      'pbs-dirty-bitmap-migration': true,
      'pbs-dirty-bitmap-savevm': true,
      'pbs-library-version': 'stub',
      'pbs-masterkey': true,
      'query-bitmap-info': true,
    },
    'running-machine': 'pc-i440fx-10.0+pve1',
    'running-qemu': '10.0.13',
  }
  return {
    ...(running && live),
    ...(vm.config['agent'] !== undefined && { agent: 1, clipboard: null }),
    cpu: 0,
    cpus: Number(vm.config['cores'] ?? 1),
    disk: 0,
    ha: { managed: 0 },
    maxdisk,
    maxmem: memory,
    mem: running ? Math.round(memory / 3) : 0,
    memhost: 0,
    name: vm.config['name'] ?? `VM ${vm.vmid}`,
    netin: running ? 220 : 0,
    netout: running ? 586 : 0,
    qmpstatus: vm.power,
    ...(vm.config['serial0'] !== undefined && { serial: 1 }),
    status: running ? 'running' : 'stopped',
    ...(vm.config['tags'] !== undefined && { tags: vm.config['tags'] }),
    ...(vm.config['lock'] !== undefined && { lock: vm.config['lock'] }),
    ...(vm.config['template'] === 1 && { template: 1 }),
    uptime: running ? Math.max(0, c.world.now() - vm.startedAt) : 0,
    vmid: vm.vmid,
  }
}

/** Power of VMs. */
export const powerRoutes: Routes = {
  'GET /nodes/{node}/qemu/{vmid}/status/current': status,
  'POST /nodes/{node}/qemu/{vmid}/status/start': power('qmstart', (c, vm, task) => powerOn(c, vm, task), {
    mayMiss: true,
    ms: 800,
  }),
  'POST /nodes/{node}/qemu/{vmid}/status/stop': power('qmstop', (c, vm) => powerOff(c, vm), { mayMiss: true }),
  'POST /nodes/{node}/qemu/{vmid}/status/shutdown': power('qmshutdown', shutDown, { mayMiss: true }),
  'POST /nodes/{node}/qemu/{vmid}/status/reboot': power('qmreboot', shutDownAndStart, { needsRunning: true }),
  'POST /nodes/{node}/qemu/{vmid}/status/reset': power('qmreset', async () => undefined, { needsRunning: true }),
  'POST /nodes/{node}/qemu/{vmid}/status/suspend': power('qmpause', async (_, vm) => void (vm.power = 'paused'), {
    needsRunning: true,
  }),
  'POST /nodes/{node}/qemu/{vmid}/status/resume': power('qmresume', async (_, vm) => void (vm.power = 'running'), {
    needsRunning: true,
  }),
}

async function shutDownAndStart(c: Context, vm: Vm): Promise<void> {
  if (!(await askToShutDown(c, vm, Number(optional(c, 'timeout') ?? 180)))) throw died('VM quit/powerdown failed')
  vm.power = 'stopped'
  await powerOn(c, vm, undefined)
}
