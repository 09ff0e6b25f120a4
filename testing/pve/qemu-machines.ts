import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { copyFile, mkdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname, join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { GuestParts, Machines } from './machines.ts'
import type { Volume } from './world.ts'

const run = promisify(execFile)
/** How long QMP and the guest agent may take to answer. */
const answerMs = 10_000

interface Running {
  child: ChildProcess
  ended: Promise<void>
}

/**
 * Real guests for the stand-in: QEMU (user networking) and qcow2 files below `folder`, which must have a short path:
 * sockets have at most 108 characters.
 */
export function createQemuMachines(folder: string, acceleration: Acceleration = 'tcg'): Machines {
  const running = new Map<number, Running>()
  const socketOf = (vmid: number, kind: 'qmp' | 'serial' | 'agent') => join(folder, `${vmid}.${kind}`)
  const pathOf = (volume: Volume): string => {
    if (volume.path === undefined) throw new Error(`${volume.volid} has no file`)
    return volume.path
  }
  const image = async (...args: string[]) => void (await run('qemu-img', args, { timeout: 120_000 }))

  async function kill(vmid: number): Promise<void> {
    const found = running.get(vmid)
    if (found === undefined) return
    found.child.kill('SIGKILL')
    await found.ended
  }

  return {
    folder,
    async makeImage(volume, from, linked) {
      const path = pathOf(volume)
      await mkdir(dirname(path), { recursive: true })
      const format = volume.format === 'raw' ? 'raw' : 'qcow2'
      if (from?.path === undefined) return await image('create', '-q', '-f', format, path, String(volume.sizeBytes))
      const base = from.format === 'raw' ? 'raw' : 'qcow2'
      if (linked)
        await image(
          'create',
          '-q',
          '-f',
          'qcow2',
          '-F',
          base,
          '-b',
          relative(dirname(path), from.path),
          path,
          String(volume.sizeBytes),
        )
      else await image('convert', '-q', '-f', base, '-O', format, from.path, path)
    },
    async adopt(volume, uploaded) {
      await mkdir(dirname(pathOf(volume)), { recursive: true })
      await copyFile(uploaded, pathOf(volume))
      await rm(uploaded, { force: true })
    },
    resize: (volume, bytes) =>
      image('resize', '-q', '-f', volume.format === 'raw' ? 'raw' : 'qcow2', pathOf(volume), String(bytes)),
    async removeImage(volume) {
      if (volume.path !== undefined) await rm(volume.path, { force: true })
    },
    async start(vmid, parts) {
      for (const kind of ['qmp', 'serial', 'agent'] as const) await rm(socketOf(vmid, kind), { force: true })
      const child = spawn(
        'qemu-system-x86_64',
        argumentsFor(parts, acceleration, (kind) => socketOf(vmid, kind)),
        {
          stdio: ['ignore', 'ignore', 'pipe'],
        },
      )
      let words = ''
      child.stderr.on('data', (chunk: Buffer) => (words += chunk.toString()))
      const { promise: ended, resolve } = Promise.withResolvers<void>()
      child.once('exit', () => {
        running.delete(vmid)
        parts.onExit()
        resolve()
      })
      running.set(vmid, { child, ended })
      for (let tried = 0; ; tried++) {
        if (child.exitCode !== null)
          throw new Error(`start failed: QEMU exited with code ${child.exitCode}: ${words.slice(-300)}`)
        try {
          await qmp(socketOf(vmid, 'qmp'), 'query-status')
          return
        } catch (error) {
          if (tried > 100) throw error
          await delay(50)
        }
      }
    },
    isRunning: (vmid) => running.has(vmid),
    powerdown: async (vmid) => void (await qmp(socketOf(vmid, 'qmp'), 'system_powerdown').catch(() => undefined)),
    kill,
    async snapshot(vmid, volume, name) {
      if (!running.has(vmid)) return await image('snapshot', '-c', name, pathOf(volume))
      await qmp(socketOf(vmid, 'qmp'), 'blockdev-snapshot-internal-sync', { device: 'disk0', name })
    },
    rollback: (volume, name) => image('snapshot', '-a', name, pathOf(volume)),
    async removeSnapshot(vmid, volume, name) {
      if (!running.has(vmid)) return await image('snapshot', '-d', name, pathOf(volume))
      await qmp(socketOf(vmid, 'qmp'), 'blockdev-snapshot-delete-internal-sync', { device: 'disk0', name })
    },
    serialSocket: (vmid) => (running.has(vmid) ? socketOf(vmid, 'serial') : undefined),
    agent: (vmid, command, args) => agent(socketOf(vmid, 'agent'), command, args),
    async close() {
      await Promise.all([...running.keys()].map(kill))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export type Acceleration = 'kvm' | 'tcg'
const accelerated: Record<Acceleration, readonly string[]> = {
  kvm: ['-accel', 'kvm', '-cpu', 'host'],
  tcg: ['-accel', 'tcg,tb-size=128', '-cpu', 'qemu64,-cx16'],
}

/** What guests can run under here, tried with a machine that has nothing; undefined where QEMU itself is missing. */
export async function probeAcceleration(): Promise<Acceleration | undefined> {
  const tries = async (acceleration: Acceleration) => {
    const nothing = ['-machine', 'q35', '-nodefaults', '-display', 'none', '-S', '-monitor', 'stdio']
    const trying = run('qemu-system-x86_64', [...nothing, ...accelerated[acceleration]], { timeout: 20_000 })
    trying.child.stdin?.end('quit\n')
    return await trying.then(
      () => true,
      () => false,
    )
  }
  if (await tries('kvm')) return 'kvm'
  return (await tries('tcg')) ? 'tcg' : undefined
}

/** Wired as the libvirt driver and template-vm/boot.ts wire it; `-cx16`: QEMU 7.2 corrupts flags around cmpxchg16b. */
function argumentsFor(
  parts: GuestParts,
  acceleration: Acceleration,
  socket: (kind: 'qmp' | 'serial' | 'agent') => string,
): string[] {
  const forward = parts.forward === undefined ? '' : `,hostfwd=tcp:127.0.0.1:${parts.forward}-:22`
  return [
    ['-name', parts.name, '-machine', 'q35', ...accelerated[acceleration]],
    ['-m', String(parts.memoryMiB), '-smp', String(parts.cores), '-nodefaults', '-display', 'none'],
    ...parts.disks.map(({ path, format }, i) =>
      [
        ['-drive', `if=none,id=disk${i},format=${format === 'raw' ? 'raw' : 'qcow2'},discard=unmap,file=${path}`],
        ['-device', `virtio-blk-pci,drive=disk${i}`],
      ].flat(),
    ),
    parts.cdrom === undefined
      ? []
      : [
          '-drive',
          `if=none,id=seed,format=raw,readonly=on,media=cdrom,file=${parts.cdrom}`,
          '-device',
          'ide-cd,drive=seed,bus=ide.0',
        ],
    ['-netdev', `user,id=net${forward}`, '-device', `virtio-net-pci,netdev=net,mac=${parts.mac},romfile=`],
    ['-device', 'virtio-rng-pci', '-device', 'virtio-serial-pci'],
    ['-chardev', `socket,id=agent,path=${socket('agent')},server=on,wait=off`],
    ['-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0'],
    ['-chardev', `socket,id=serial,path=${socket('serial')},server=on,wait=off`, '-serial', 'chardev:serial'],
    ['-qmp', `unix:${socket('qmp')},server=on,wait=off`],
  ].flat()
}

/** One command of the machine's monitor. Rejects with its error. */
async function qmp(path: string, execute: string, args?: object): Promise<unknown> {
  return await converse(path, async (lines) => {
    await lines.next()
    lines.send({ execute: 'qmp_capabilities' })
    await lines.answer()
    lines.send({ execute, ...(args !== undefined && { arguments: args }) })
    return await lines.answer()
  })
}

/** One command of the guest agent. Rejects if it says nothing. */
async function agent(path: string, execute: string, args?: object): Promise<unknown> {
  return await converse(path, async (lines) => {
    const id = Math.floor(Math.random() * 1e9)
    lines.send({ execute: 'guest-sync', arguments: { id } })
    while ((await lines.answer()) !== id);
    lines.send({ execute, ...(args !== undefined && { arguments: args }) })
    return await lines.answer()
  })
}

interface Lines {
  next(): Promise<Record<string, unknown>>
  answer(): Promise<unknown>
  send(what: object): void
}

async function converse(path: string, talk: (lines: Lines) => Promise<unknown>): Promise<unknown> {
  const socket = connect(path)
  const abort = AbortSignal.timeout(answerMs)
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => undefined)
  socket.on('error', (error) => failed.reject(error))
  socket.on('close', () => failed.reject(new Error('the socket was closed')))
  abort.addEventListener('abort', () => failed.reject(new Error('no answer')))
  const queue: Record<string, unknown>[] = []
  let wake = () => undefined as void
  createInterface({ input: socket })
    .on('line', (line) => {
      try {
        queue.push(JSON.parse(line) as Record<string, unknown>)
      } catch {
        // the guest's word: what is no JSON is no answer
      }
      wake()
    })
    .on('error', () => undefined)
  const lines: Lines = {
    async next() {
      for (;;) {
        const line = queue.shift()
        if (line !== undefined) return line
        await Promise.race([new Promise<void>((done) => (wake = done)), failed.promise])
      }
    },
    async answer() {
      for (;;) {
        const line = await this.next()
        if ('return' in line) return line['return']
        if ('error' in line) throw new Error(JSON.stringify(line['error']))
      }
    },
    send: (what) => void socket.write(`${JSON.stringify(what)}\n`),
  }
  try {
    return await talk(lines)
  } finally {
    socket.destroy()
  }
}
