import { chmod, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { markOf, vmIdOf, type VmKey } from '../../chain/installation.ts'
import type { Clock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import { domainNameOf } from '../names.ts'
import type { AgentVerb, Hypervisor, PowerState, VerbOptions, VmFacts, VmRecord, VmSpec } from '../port.ts'
import { watchEvents } from './events.ts'
import { openConsole } from './console.ts'
import { domainXml, type GuestNetwork } from './domain-xml.ts'
import { metadataNamespace, metadataOf, metadataText, parseMetadata, uuidOf, type Metadata } from './metadata.ts'
import { Pool } from './pool.ts'
import { chooseAcceleration } from './probe.ts'
import { run, runOrFail } from './run.ts'
import { createVirsh, saysAbsent } from './virsh.ts'
import { unescapeXml } from './xml.ts'

export interface LibvirtOptions {
  /** Disks, templates, marker (see `Pool`). */
  folder: string
  /** Sockets; wiped by a reboot. */
  runFolder: string
  uri: string
  clock: Clock
  acceleration: 'auto' | 'kvm' | 'tcg'
  /** Port of the guests' login endpoint on the host. */
  loginPort: number
  /** Which network a VM gets. Default: user networking with a loopback forward (embedded mode). */
  networkOf?(spec: Pick<VmSpec, 'key' | 'addresses'>): GuestNetwork
  /** True where taps and firewall keep tenants apart. */
  isolation?: boolean
}

const mib = 2 ** 20
const gib = 2 ** 30
/** Memory that VMs never get: the host's own. */
const hostReserveMiB = 1024
/** libvirt's numbers, `virDomainState`. */
const states: Record<string, PowerState> = {
  '1': 'running',
  '2': 'running',
  '3': 'paused',
  '4': 'running',
  '5': 'stopped',
  '6': 'crashed',
  '7': 'paused',
}
const shutOffCrashed = '3'
/** Of a snapshot and in it, only these characters: the name reaches a monitor command and an argument. */
const snapshotName = /^[a-z0-9][a-z0-9-]{0,40}$/

/** The embedded hypervisor: an own session-mode libvirtd, qcow2 overlays, see README.md. */
export async function createLibvirtHypervisor(
  options: LibvirtOptions,
): Promise<Hypervisor & { close(): Promise<void>; initialisePool(): Promise<void> }> {
  const { clock } = options
  const pool = new Pool(options.folder)
  const virsh = createVirsh(options.uri)
  const acceleration = await chooseAcceleration(options.acceleration, join(options.folder, 'acceleration'))
  /** Metadata changes by our own calls only: read once per domain, then kept. */
  const known = new Map<string, Metadata>()
  const networkOf = options.networkOf ?? (({ addresses }): GuestNetwork => ({ kind: 'slirp', sshPort: addresses.sshPort }))
  const consoleSocket = (key: VmKey) => join(options.runFolder, 'c', `${vmIdOf(key)}.sock`)

  async function metadata(uuid: string): Promise<Metadata | undefined> {
    const kept = known.get(uuid)
    if (kept !== undefined) return kept
    const answer = await virsh.ask(['metadata', uuid, metadataNamespace, '--config'])
    const text = /<vm[^>]*>([\s\S]*)<\/vm>/.exec(answer.stdout)?.[1]
    const parsed = text === undefined ? undefined : parseMetadata(unescapeXml(text))
    if (parsed !== undefined && uuidOf(parsed.key) === uuid) known.set(uuid, parsed)
    return parsed
  }

  async function names(args: readonly string[]): Promise<{ uuid: string; name: string }[]> {
    const text = await virsh.call('list VMs', ['list', ...args, '--uuid', '--name'])
    return text.split('\n').flatMap((line) => {
      const match = /^([0-9a-f-]{36})\s+(\S+)/.exec(line.trim())
      return match?.[1] === undefined || match[2] === undefined ? [] : [{ uuid: match[1], name: match[2] }]
    })
  }

  async function powerStates(): Promise<Map<string, PowerState>> {
    const text = await virsh.call('read states', ['domstats', '--raw', '--state'])
    const found = new Map<string, PowerState>()
    for (const part of text.split(/^Domain: /m).slice(1)) {
      const name = /^'([^']+)'/.exec(part)?.[1]
      const state = /state\.state=(\d+)/.exec(part)?.[1] ?? ''
      const reason = /state\.reason=(\d+)/.exec(part)?.[1]
      if (name !== undefined)
        found.set(name, state === '5' && reason === shutOffCrashed ? 'crashed' : (states[state] ?? 'unknown'))
    }
    return found
  }

  async function list(): Promise<VmRecord[]> {
    await pool.require()
    const [all, autostarting, power] = await Promise.all([names(['--all']), names(['--all', '--autostart']), powerStates()])
    const auto = new Set(autostarting.map((d) => d.uuid))
    const records: VmRecord[] = []
    for (const { uuid, name } of all) {
      if (!name.startsWith('fh-')) continue
      const meta = await metadata(uuid)
      // ours only if mark and name agree; anything else is never touched
      if (meta === undefined || uuidOf(meta.key) !== uuid || domainNameOf(meta.key) !== name) continue
      records.push({
        key: meta.key,
        state: power.get(name) ?? 'unknown',
        autostart: auto.has(uuid),
        spec: meta.spec,
        facts: meta.facts,
        snapshots: meta.snapshots,
      })
    }
    return records
  }

  /** The UUID of the domain of this key, undefined if there surely is none. Throws `vm-foreign` for another's in its place. */
  async function domainOf(key: VmKey): Promise<string | undefined> {
    const answer = await virsh.ask(['domuuid', domainNameOf(key)])
    if (saysAbsent(answer)) return undefined
    if (answer.code !== 0)
      throw new AppError({
        code: 'hypervisor-down',
        detail: `libvirt did not tell about ${vmIdOf(key)}.`,
        cause: new Error(answer.stderr),
      })
    const uuid = answer.stdout.trim()
    const meta = await metadata(uuid)
    if (meta === undefined || meta.key.installation !== key.installation || meta.key.tokenId !== key.tokenId) {
      throw new AppError({ code: 'vm-foreign', detail: `A machine named ${domainNameOf(key)} is there without our mark.` })
    }
    return meta.key.generation === key.generation ? uuid : undefined
  }

  async function require(key: VmKey): Promise<string> {
    await pool.require()
    const uuid = await domainOf(key)
    if (uuid === undefined)
      throw new AppError({ code: 'vm-unknown', detail: `VM ${vmIdOf(key)} of generation ${key.generation} is not here.` })
    return uuid
  }

  async function state(key: VmKey): Promise<PowerState> {
    await require(key)
    return (await powerStates()).get(domainNameOf(key)) ?? 'unknown'
  }

  async function setMetadata(uuid: string, next: Metadata): Promise<void> {
    // virsh takes the element as an argument; the writer of the text is JSON, so only XML's own characters need care
    const text = metadataText(next).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
    const scope =
      (await virsh.call('read the state', ['domstate', uuid])).trim() === 'shut off' ? ['--config'] : ['--config', '--live']
    await virsh.call('note facts', ['metadata', uuid, metadataNamespace, ...scope, '--key', 'fh', '--set', `<vm>${text}</vm>`])
    known.set(uuid, next)
  }

  async function define(spec: VmSpec): Promise<void> {
    const xml = domainXml({
      spec,
      metadata: metadataOf(spec),
      acceleration,
      network: networkOf(spec),
      files: { disk: pool.diskOf(spec.key), seed: pool.seedOf(spec.key), consoleSocket: consoleSocket(spec.key) },
    })
    const folder = await mkdtemp(join(tmpdir(), 'fh-define-'))
    try {
      // virsh runs as the daemon and sends the text itself: libvirtd's user needs no access to this file
      await chmod(folder, 0o700)
      await writeFile(join(folder, 'domain.xml'), xml)
      await virsh.call('define the VM', ['define', join(folder, 'domain.xml')])
    } finally {
      await rm(folder, { recursive: true })
    }
    known.set(uuidOf(spec.key), metadataOf(spec))
  }

  async function forceOff(uuid: string): Promise<void> {
    const answer = await virsh.ask(['destroy', uuid])
    if (answer.code !== 0 && !/not running/.test(answer.stderr)) {
      throw new AppError({ code: 'process-failed', detail: 'The VM could not be switched off.', cause: new Error(answer.stderr) })
    }
  }

  async function removeDomain(uuid: string): Promise<void> {
    await forceOff(uuid)
    await virsh.call('remove the VM', ['undefine', uuid, '--nvram'])
    known.delete(uuid)
  }

  async function create(spec: VmSpec, verb: VerbOptions = {}): Promise<void> {
    await pool.require()
    if ((await domainOf(spec.key)) !== undefined) return
    const other = await virsh.ask(['domuuid', domainNameOf(spec.key)])
    if (other.code === 0)
      throw new AppError({
        code: 'not-in-this-state',
        detail: `VM ${vmIdOf(spec.key)} is there in another generation.`,
        hint: 'Reinstall it instead.',
      })
    try {
      verb.progress?.('disk')
      await pool.makeDisk(spec.key, spec.template, spec.diskGiB, verb)
      verb.progress?.('seed')
      await pool.makeSeed(spec.key, spec.seed)
      verb.signal?.throwIfAborted()
      verb.progress?.('definition')
      await define(spec)
    } catch (error) {
      // no domain stands: files alone are nobody's VM
      if ((await virsh.ask(['domuuid', domainNameOf(spec.key)]).catch(() => undefined))?.code !== 0)
        await pool.removeGeneration(spec.key)
      throw error
    }
  }

  async function start(key: VmKey): Promise<void> {
    const uuid = await require(key)
    const answer = await virsh.ask(['start', uuid], { timeoutMs: 60_000 })
    if (answer.code !== 0 && !/already (active|running)/.test(answer.stderr)) {
      const taken = /Could not set up host forwarding|Address already in use/.test(answer.stderr)
      const cause = new Error(answer.stderr.trim())
      if (taken)
        throw new AppError({ code: 'port-in-use', detail: `The port of VM ${vmIdOf(key)} is used by another program.`, cause })
      throw new AppError({ code: 'process-failed', detail: `VM ${vmIdOf(key)} could not be started.`, cause })
    }
    if ((await powerStates()).get(domainNameOf(key)) === 'paused') await virsh.ask(['resume', uuid])
    await virsh.call('turn autostart on', ['autostart', uuid])
  }

  async function stop(key: VmKey, how: 'graceful' | 'force', verb: VerbOptions = {}): Promise<void> {
    const uuid = await require(key)
    await virsh.call('turn autostart off', ['autostart', uuid, '--disable'])
    if (how === 'graceful' && (await state(key)) === 'running') {
      const end = clock.monotonicMs() + 90_000
      for (let round = 0; clock.monotonicMs() < end; round++) {
        // asked again every ten seconds: a guest that is still booting does not hear the first one
        if (round % 20 === 0) await virsh.ask(['shutdown', uuid, '--mode', 'acpi'])
        const now = await state(key)
        if (now === 'stopped' || now === 'crashed') return
        verb.progress?.('shutting down')
        await clock.wait(500, verb.signal)
        verb.signal?.throwIfAborted()
      }
    }
    await forceOff(uuid)
  }

  async function destroy(key: VmKey): Promise<void> {
    await pool.require()
    const uuid = await domainOf(key)
    if (uuid !== undefined) await removeDomain(uuid)
    await pool.removeGeneration(key)
    await rm(consoleSocket(key), { force: true })
  }

  async function reinstall(from: VmKey, spec: VmSpec, verb: VerbOptions = {}): Promise<void> {
    await pool.require()
    if ((await domainOf(spec.key)) === undefined) {
      const old = await domainOf(from)
      if (old !== undefined) await removeDomain(old)
      await create(spec, verb)
    }
    await pool.removeGeneration(from)
  }

  async function snapshot(key: VmKey, name: string, verb: VerbOptions = {}): Promise<void> {
    const uuid = await require(key)
    if (!snapshotName.test(name))
      throw new AppError({ code: 'bad-input', detail: 'A snapshot has a name of small letters, digits and dashes.' })
    const meta = (await metadata(uuid)) as Metadata
    const disk = pool.diskOf(key)
    const running = (await state(key)) === 'running'
    verb.progress?.('snapshot')
    const monitor = async (command: object) => {
      const answer = JSON.parse(
        await virsh.call('take the snapshot', ['qemu-monitor-command', uuid, JSON.stringify(command)]),
      ) as { return?: unknown; error?: { desc: string } }
      if (answer.error !== undefined)
        throw new AppError({ code: 'process-failed', detail: 'The snapshot failed.', cause: new Error(answer.error.desc) })
      return answer.return
    }
    if (running) {
      const blocks = (await monitor({ execute: 'query-block' })) as { inserted?: { file: string; 'node-name': string } }[]
      const device = blocks.find((b) => b.inserted?.file === disk)?.inserted?.['node-name']
      if (device === undefined)
        throw new AppError({ code: 'process-failed', detail: 'The disk was not found in the running VM.' })
      for (const old of meta.snapshots)
        await monitor({ execute: 'blockdev-snapshot-delete-internal-sync', arguments: { device, name: old } }).catch(
          () => undefined,
        )
      await monitor({ execute: 'blockdev-snapshot-internal-sync', arguments: { device, name } })
    } else {
      for (const old of meta.snapshots) await run('qemu-img', ['snapshot', '-d', old, disk])
      await runOrFail('take the snapshot', 'qemu-img', ['snapshot', '-c', name, disk], { timeoutMs: 120_000 })
    }
    await setMetadata(uuid, { ...meta, snapshots: [name] })
  }

  async function rollback(key: VmKey, name: string, verb: VerbOptions = {}): Promise<void> {
    const uuid = await require(key)
    const meta = (await metadata(uuid)) as Metadata
    if (!meta.snapshots.includes(name))
      throw new AppError({ code: 'not-found', detail: `VM ${vmIdOf(key)} has no snapshot of this name.` })
    await stop(key, 'force', verb)
    await runOrFail('go back to the snapshot', 'qemu-img', ['snapshot', '-a', name, pool.diskOf(key)], { timeoutMs: 120_000 })
  }

  async function agent(key: VmKey, verb: AgentVerb): Promise<unknown> {
    const uuid = await require(key)
    const ask = async (command: object): Promise<unknown> => {
      const answer = await virsh.ask(['qemu-agent-command', '--timeout', '20', uuid, JSON.stringify(command)], {
        timeoutMs: 25_000,
      })
      if (answer.code !== 0)
        throw new AppError({
          code: 'agent-unreachable',
          detail: `The guest agent of ${vmIdOf(key)} does not answer.`,
          cause: new Error(answer.stderr),
        })
      return (JSON.parse(answer.stdout) as { return: unknown }).return
    }
    if (verb === 'ping') return await ask({ execute: 'guest-ping' })
    if (verb === 'network') return await ask({ execute: 'guest-network-get-interfaces' })
    if (verb === 'fs-freeze') return await ask({ execute: 'guest-fsfreeze-freeze' })
    if (verb === 'fs-thaw') return await ask({ execute: 'guest-fsfreeze-thaw' })
    const [path, ...arg] = verb.exec
    const { pid } = (await ask({ execute: 'guest-exec', arguments: { path, arg, 'capture-output': true } })) as { pid: number }
    for (;;) {
      const status = (await ask({ execute: 'guest-exec-status', arguments: { pid } })) as {
        exited: boolean
        exitcode?: number
        'out-data'?: string
        'err-data'?: string
      }
      if (status.exited) {
        const text = (data: string | undefined) => Buffer.from(data ?? '', 'base64').toString()
        return { exitCode: status.exitcode ?? -1, stdout: text(status['out-data']), stderr: text(status['err-data']) }
      }
      await clock.wait(100)
    }
  }

  return {
    initialisePool: () => pool.initialise(),
    capabilities: () =>
      Promise.resolve({
        name: 'libvirt',
        acceleration,
        snapshots: true,
        console: true,
        isolation: options.isolation ?? false,
        loginEndpoint: `10.0.2.2:${options.loginPort}`,
      }),
    list,
    async find(key) {
      return (await list()).find((record) => markOf(record.key) === markOf(key))
    },
    create,
    start: (key) => start(key),
    stop,
    destroy: (key) => destroy(key),
    reinstall,
    snapshot,
    rollback,
    state,
    async console(key) {
      await require(key)
      return await openConsole(consoleSocket(key))
    },
    async metrics(key) {
      const uuid = await require(key)
      const text = await virsh.call('read metrics', ['domstats', '--raw', uuid])
      const value = (name: string): number | null => {
        const found = new RegExp(`^\\s*${name.replaceAll('.', '\\.')}=(\\d+)$`, 'm').exec(text)?.[1]
        return found === undefined ? null : Number(found)
      }
      const [cpu, rss] = [value('cpu.time'), value('balloon.rss')]
      return {
        at: clock.now(),
        cpuSeconds: cpu === null ? null : cpu / 1e9,
        memoryUsedMiB: rss === null ? null : Math.round(rss / 1024),
        diskReadBytes: value('block.0.rd.bytes'),
        diskWrittenBytes: value('block.0.wr.bytes'),
        networkReceivedBytes: value('net.0.rx.bytes'),
        networkSentBytes: value('net.0.tx.bytes'),
      }
    },
    agent,
    async setFacts(key, facts: Partial<VmFacts>) {
      const uuid = await require(key)
      const meta = (await metadata(uuid)) as Metadata
      await setMetadata(uuid, { ...meta, facts: { ...meta.facts, ...facts } })
    },
    async importTemplate(image, verb = {}) {
      await pool.require()
      await pool.importTemplate(image, verb)
      const record = (await pool.templates()).find((t) => t.sha256 === image.sha256)
      if (record === undefined)
        throw new AppError({ code: 'template-missing', detail: 'The template is not there after its import.' })
      return record
    },
    async templates() {
      await pool.require()
      return await pool.templates()
    },
    async removeTemplate(sha256) {
      await pool.require()
      const record = (await pool.templates()).find((t) => t.sha256 === sha256)
      if (record === undefined) return
      if (record.usedBy > 0)
        throw new AppError({
          code: 'not-in-this-state',
          detail: `${record.usedBy} disks refer to this template.`,
          hint: 'It goes with the last of them.',
        })
      await rm(pool.templateOf(sha256))
    },
    async capacity() {
      await pool.require()
      const [disk, vms] = await Promise.all([statfs(options.folder), list()])
      const allocated = await Promise.all(
        vms.map(async ({ key }) => (await pool.info(pool.diskOf(key)).catch(() => ({ 'actual-size': 0 })))['actual-size']),
      )
      const free = disk.bavail * disk.bsize
      // a disk at full size and as much again for its one snapshot, less what it takes already
      const owed = vms.reduce((sum, vm, i) => sum + Math.max(0, vm.spec.diskGiB * gib * 2 - (allocated[i] ?? 0)), 0)
      const memoryTotalMiB = Math.floor(totalmem() / mib)
      return {
        diskTotalBytes: disk.blocks * disk.bsize,
        diskFreeBytes: free,
        diskUnpromisedBytes: Math.max(0, free - owed),
        memoryTotalMiB,
        memoryUnpromisedMiB: Math.max(0, memoryTotalMiB - hostReserveMiB - vms.reduce((sum, vm) => sum + vm.spec.memoryMiB, 0)),
        vcpus: availableParallelism(),
      }
    },
    watch: (wake) => watchEvents(options.uri, clock, wake),
    close: () => Promise.resolve(),
  }
}
