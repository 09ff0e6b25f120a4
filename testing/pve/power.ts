import { parseDrive, volumesOf } from './drives.ts'
import type { Context } from './context.ts'
import { vnetsOn } from './networks.ts'
import { died } from './refusal.ts'
import type { Task, Vm } from './world.ts'

/** Puts a VM to power: pending changes come true; a real guest boots where guests are real. */
export async function powerOn(c: Context, vm: Vm, task: Task | undefined): Promise<void> {
  if (vm.config['template'] === 1) throw died("you can't start a vm if it's a template")
  if (vm.power !== 'stopped') throw died(`VM ${vm.vmid} already running`)
  const bridge = /(?:^|,)bridge=([^,]+)/.exec(String(vm.config['net0'] ?? ''))?.[1]
  if (
    bridge !== undefined &&
    c.world.nodes.get(vm.node)?.bridges.has(bridge) !== true &&
    !vnetsOn(c.world, vm.node).includes(bridge)
  ) {
    throw died(`bridge '${bridge}' does not exist`)
  }
  for (const key of Object.keys(vm.config).filter((name) => /^(ide|scsi|virtio)\d+$/.test(name))) {
    const { file } = parseDrive(String(vm.config[key]))
    if (file !== 'none' && c.world.volume(vm.node, file) === undefined) throw died(`volume '${file}' does not exist`)
  }
  Object.assign(vm.config, vm.pending)
  vm.pending = {}
  if (Object.values(vm.config).some((value) => String(value).includes('-cloudinit')))
    task?.lines.push('generating cloud-init ISO')
  await startGuest(c, vm)
  vm.power = 'running'
  vm.startedAt = c.world.now()
}

async function startGuest(c: Context, vm: Vm): Promise<void> {
  const { machines } = c.world
  if (machines === undefined) return
  const parts = volumesOf(c, vm.node, vm.config)
  const disks = parts.flatMap(({ key, volume }) =>
    /^(scsi|virtio)\d/.test(key) && volume.path !== undefined ? [{ path: volume.path, format: volume.format }] : [],
  )
  await machines.start(vm.vmid, {
    name: String(vm.config['name'] ?? vm.vmid),
    memoryMiB: Number(vm.config['memory'] ?? 512),
    cores: Number(vm.config['cores'] ?? 1),
    mac: /=([0-9a-f:]{17})/i.exec(String(vm.config['net0'] ?? ''))?.[1] ?? '',
    disks,
    cdrom: parts.find(({ volume }) => volume.content === 'iso')?.volume.path,
    forward: forwardOf(vm),
    onExit: () => (vm.power = 'stopped'),
  })
}

/**
 * Guests of the stand-in sit behind user networking, so somebody must name the forwarded port. Freehold's own description of
 * a VM does; a real server knows nothing of it.
 */
function forwardOf(vm: Vm): number | undefined {
  const port = /"sshPort":(\d+)/.exec(String(vm.config['description'] ?? ''))?.[1]
  return port === undefined ? undefined : Number(port)
}

/** Power away at once. */
export async function powerOff(c: Context, vm: Vm): Promise<void> {
  await c.world.machines?.kill(vm.vmid)
  vm.power = 'stopped'
}

/** Asks the guest, and waits for it to go. Returns false if it did not. */
export async function askToShutDown(c: Context, vm: Vm, timeoutSeconds: number): Promise<boolean> {
  const { machines } = c.world
  if (machines === undefined) {
    if (c.world.deaf.has(vm.vmid)) return false
    await c.world.wait(1000)
    vm.power = 'stopped'
    return true
  }
  const end = performance.now() + timeoutSeconds * 1000
  for (let round = 0; machines.isRunning(vm.vmid) && performance.now() < end; round++) {
    // said again: a guest that still boots does not hear the first one
    if (round % 50 === 0) await machines.powerdown(vm.vmid)
    await new Promise((done) => setTimeout(done, 100))
  }
  return !machines.isRunning(vm.vmid)
}
