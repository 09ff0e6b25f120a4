import { z } from 'zod'
import { AppError } from '../../errors/app-error.ts'
import { failureOf, runOrFail } from './run.ts'
import type { Virsh } from './virsh.ts'

const infoSchema = z.object({ snapshots: z.array(z.object({ name: z.string() })).default([]) })
const monitorSchema = z.object({ return: z.unknown().optional(), error: z.object({ desc: z.string() }).optional() })
const blocksSchema = z.array(z.object({ inserted: z.object({ file: z.string(), 'node-name': z.string() }).optional() }))
const minutes = { timeoutMs: 180_000 }

/** Names of the snapshots in a disk, asked of the disk; also while a VM has it open. */
export async function snapshotsIn(disk: string): Promise<string[]> {
  const text = await runOrFail('read the disk', 'qemu-img', ['info', '-U', '--output=json', disk])
  return infoSchema.parse(JSON.parse(text)).snapshots.map((s) => s.name)
}

/**
 * Takes an internal snapshot of the disk, as if its power had been cut at that moment, and drops every other. In a running VM
 * by the monitor (QMP `blockdev-snapshot-internal-sync`: one call, no second file, no memory image), else by qemu-img.
 * A second call with the same name replaces the first. Throws `storage-full`, `process-failed`.
 */
export async function takeSnapshot(
  virsh: Virsh,
  vm: { uuid: string; running: boolean; disk: string },
  name: string,
): Promise<void> {
  const before = await snapshotsIn(vm.disk)
  const { take, drop } = vm.running ? await online(virsh, vm) : offline(vm.disk)
  if (before.includes(name)) await drop(name)
  await take(name)
  for (const old of before) if (old !== name) await drop(old)
}

/** Puts the disk of a stopped VM back. Throws `process-failed`. */
export async function restoreSnapshot(disk: string, name: string): Promise<void> {
  await runOrFail('go back to the snapshot', 'qemu-img', ['snapshot', '-a', name, disk], minutes)
}

interface Way {
  take(this: void, name: string): Promise<void>
  drop(this: void, name: string): Promise<void>
}

function offline(disk: string): Way {
  return {
    take: async (name) => void (await runOrFail('take the snapshot', 'qemu-img', ['snapshot', '-c', name, disk], minutes)),
    drop: async (name) => void (await runOrFail('drop the old snapshot', 'qemu-img', ['snapshot', '-d', name, disk], minutes)),
  }
}

async function online(virsh: Virsh, vm: { uuid: string; disk: string }): Promise<Way> {
  async function monitor(action: string, execute: string, args?: object): Promise<unknown> {
    const command = JSON.stringify({ execute, ...(args !== undefined && { arguments: args }) })
    const answer = monitorSchema.parse(JSON.parse(await virsh.call(action, ['qemu-monitor-command', vm.uuid, command], minutes)))
    if (answer.error !== undefined) throw failureOf(action, { code: 1, stdout: '', stderr: answer.error.desc })
    return answer.return
  }
  const blocks = blocksSchema.parse(await monitor('find the disk', 'query-block'))
  const device = blocks.find((b) => b.inserted?.file === vm.disk)?.inserted?.['node-name']
  if (device === undefined) throw new AppError({ code: 'process-failed', detail: 'The disk was not found in the running VM.' })
  return {
    take: async (name) => void (await monitor('take the snapshot', 'blockdev-snapshot-internal-sync', { device, name })),
    drop: async (name) =>
      void (await monitor('drop the old snapshot', 'blockdev-snapshot-delete-internal-sync', { device, name })),
  }
}
