import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vmIdOf, type VmKey } from '../../chain/installation.ts'
import { AppError } from '../../errors/app-error.ts'
import { domainNameOf } from '../names.ts'
import type { PowerState, VmRecord } from '../port.ts'
import { metadataNamespace, metadataText, parseMetadata, uuidOf, type Metadata } from './metadata.ts'
import { saysAbsent, type Virsh } from './virsh.ts'
import { escapeXml, unescapeXml } from './xml.ts'

/** `virDomainState`. Source: libvirt's include/libvirt/libvirt-domain.h. */
const states: Record<string, PowerState> = {
  '1': 'running',
  // blocked on a resource, and about to shut down: both still run
  '2': 'running',
  '3': 'paused',
  '4': 'running',
  '5': 'stopped',
  '6': 'crashed',
  '7': 'paused',
}
/** `VIR_DOMAIN_SHUTOFF_CRASHED`: QEMU itself died. A guest that panicked and was restarted is not this. */
const shutOffCrashed = '3'

/** A domain of ours. */
export interface Domain {
  uuid: string
  name: string
  metadata: Metadata
}

/** Our domains as libvirt has them. Ours is only what carries our metadata under the UUID and the name that follow from it. */
export class Domains {
  readonly #virsh: Virsh
  /** Metadata change by our own calls only: read once per domain, then kept. */
  readonly #known = new Map<string, Metadata>()

  constructor(virsh: Virsh) {
    this.#virsh = virsh
  }

  /** All of ours. Throws `hypervisor-down`. */
  async list(): Promise<VmRecord[]> {
    const [all, autostarting, power] = await Promise.all([this.#names([]), this.#names(['--autostart']), this.#states([])])
    const auto = new Set(autostarting.map((d) => d.uuid))
    for (const uuid of this.#known.keys()) if (!all.some((d) => d.uuid === uuid)) this.#known.delete(uuid)
    const records: VmRecord[] = []
    for (const { uuid, name } of all) {
      const metadata = name.startsWith('fh-') ? await this.#metadata(uuid) : undefined
      if (metadata === undefined || domainNameOf(metadata.key) !== name) continue
      records.push(recordOf(metadata, power.get(name) ?? 'unknown', auto.has(uuid)))
    }
    return records
  }

  /** The domain of this key, undefined if there surely is none. Throws `vm-foreign` if another's bears its name. */
  async find(key: VmKey): Promise<Domain | undefined> {
    const found = await this.findAnyGeneration(key)
    return found?.metadata.key.generation === key.generation ? found : undefined
  }

  /** As `find`, whatever generation it is in. */
  async findAnyGeneration(key: Pick<VmKey, 'installation' | 'tokenId'>): Promise<Domain | undefined> {
    const name = domainNameOf(key)
    const answer = await this.#virsh.ask(['domuuid', name])
    if (saysAbsent(answer)) return undefined
    if (answer.code !== 0) {
      const cause = new Error(answer.stderr.trim())
      throw new AppError({ code: 'hypervisor-down', detail: `libvirt did not tell about ${vmIdOf(key)}.`, cause })
    }
    const uuid = answer.stdout.trim()
    const metadata = await this.#metadata(uuid)
    if (metadata === undefined || domainNameOf(metadata.key) !== name) {
      throw new AppError({ code: 'vm-foreign', detail: `A machine named ${name} is there without our mark.` })
    }
    return { uuid, name, metadata }
  }

  async record(domain: Domain): Promise<VmRecord> {
    const [power, info] = await Promise.all([
      this.state(domain),
      this.#virsh.call(`read ${domain.name}`, ['dominfo', domain.uuid]),
    ])
    return recordOf(domain.metadata, power, /^Autostart:\s+enable/m.test(info))
  }

  async state({ uuid, name }: Domain): Promise<PowerState> {
    return (await this.#states([uuid])).get(name) ?? 'unknown'
  }

  /** Defines the domain, or defines it anew under the same name and UUID. */
  async define(xml: string, metadata: Metadata): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'fh-define-'))
    try {
      // virsh reads the file and sends its text: libvirtd's user needs no access to it
      await writeFile(join(folder, 'domain.xml'), xml, { mode: 0o600 })
      await this.#virsh.call('define the VM', ['define', join(folder, 'domain.xml')])
    } finally {
      await rm(folder, { recursive: true })
    }
    this.#known.set(uuidOf(metadata.key), metadata)
  }

  async setMetadata(domain: Domain, next: Metadata): Promise<void> {
    const state = await this.#virsh.call('read the state', ['domstate', domain.uuid])
    const scope = state.trim() === 'shut off' ? ['--config'] : ['--config', '--live']
    const element = `<vm>${escapeXml(metadataText(next))}</vm>`
    await this.#virsh.call('note facts', ['metadata', domain.uuid, metadataNamespace, ...scope, '--key', 'fh', '--set', element])
    this.#known.set(domain.uuid, next)
  }

  /** Cuts the power. No-op if it is off. */
  async forceOff({ uuid, name }: Domain): Promise<void> {
    const answer = await this.#virsh.ask(['destroy', uuid])
    if (answer.code === 0 || /not running/.test(answer.stderr)) return
    const cause = new Error(answer.stderr.trim())
    throw new AppError({ code: 'process-failed', detail: `${name} could not be switched off.`, cause })
  }

  /** Takes the definition of a domain that is off away. */
  async undefine({ uuid, name }: Domain): Promise<void> {
    await this.#virsh.call(`remove ${name}`, ['undefine', uuid, '--nvram', '--managed-save'])
    this.#known.delete(uuid)
  }

  async #metadata(uuid: string): Promise<Metadata | undefined> {
    const kept = this.#known.get(uuid)
    if (kept !== undefined) return kept
    const answer = await this.#virsh.ask(['metadata', uuid, metadataNamespace, '--config'])
    const text = /<vm[^>]*>([\s\S]*)<\/vm>/.exec(answer.stdout)?.[1]
    const parsed = text === undefined ? undefined : parseMetadata(unescapeXml(text))
    if (parsed === undefined || uuidOf(parsed.key) !== uuid) return undefined
    this.#known.set(uuid, parsed)
    return parsed
  }

  async #names(which: readonly string[]): Promise<{ uuid: string; name: string }[]> {
    const text = await this.#virsh.call('list VMs', ['list', '--all', ...which, '--uuid', '--name'])
    return text.split('\n').flatMap((line) => {
      const [, uuid, name] = /^\s*([0-9a-f-]{36})\s+(\S+)\s*$/.exec(line) ?? []
      return uuid === undefined || name === undefined ? [] : [{ uuid, name }]
    })
  }

  async #states(domains: readonly string[]): Promise<Map<string, PowerState>> {
    const text = await this.#virsh.call('read states', ['domstats', '--raw', '--state', ...domains])
    const found = new Map<string, PowerState>()
    for (const part of text.split(/^Domain: /m).slice(1)) {
      const name = /^'([^']+)'/.exec(part)?.[1]
      const state = /state\.state=(\d+)/.exec(part)?.[1] ?? ''
      const crashed = state === '5' && /state\.reason=(\d+)/.exec(part)?.[1] === shutOffCrashed
      if (name !== undefined) found.set(name, crashed ? 'crashed' : (states[state] ?? 'unknown'))
    }
    return found
  }
}

function recordOf({ key, spec, facts, snapshots }: Metadata, state: PowerState, autostart: boolean): VmRecord {
  return { key, state, autostart, spec, facts, snapshots }
}
