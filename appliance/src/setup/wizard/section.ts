import type { z } from 'zod'
import type { BackupAnswer, Config, ConfigInput, TlsAnswer } from '../../config/schema.ts'
import type { Hypervisor } from '../../hypervisor/port.ts'
import type { BackupPlace } from './backup-place.ts'
import type { ProxmoxSight } from './proxmox-page.ts'

/** Sections that the wizard asks, in order. Each is some top-level fields of the answer file. */
export type SectionName =
  | 'uplink'
  | 'address'
  | 'tls'
  | 'existing'
  | 'chain'
  | 'people'
  | 'hypervisor'
  | 'network'
  | 'template'
  | 'plans'
  | 'backup'

/** Certificates by ACME, as answered. */
export type AcmeAnswer = Extract<TlsAnswer, { kind: 'acme' }>

/** What live checks may ask. Nothing of it changes the world. */
export interface CheckPorts {
  /** Answers given so far, by top-level field, as far as they are valid. */
  known: Partial<Config>
  /** Opens the hypervisor that these answers name, without making its storage. Throws what keeps it from answering. */
  openHypervisor(answers: Pick<Config, 'hypervisor'>): Promise<Hypervisor>
  /** One JSON-RPC call to one URL, bounded in time and size. Throws `rpc-unreachable`, `rpc-refused`. */
  rpc(url: string, method: string, params: readonly unknown[]): Promise<unknown>
  /** Asks an ACME directory what it offers. Throws `certificate-refused`. Absent where no certificate is this host's to get. */
  acmeDirectory?(tls: AcmeAnswer, signal: AbortSignal): Promise<{ terms: string | null }>
  /** Whether a name leads back to this host's own port 80. */
  proveName?(name: string, signal: AbortSignal): Promise<boolean>
  /** Whether a folder for disks lies on the disk of the host's own state; undefined: the usual folder. */
  sharesDiskWithState?(folder: string | undefined): Promise<boolean>
  /** Where sealed backups would lie. Throws `backup-folder-missing`, `no-permission`. */
  backupPlace?(backup: BackupAnswer): Promise<BackupPlace>
  /** Whether they name somebody who can open one. Throws `config-invalid`, `config-unreadable`. */
  backupIsSealed?(backup: BackupAnswer): Promise<boolean>
  /** Address of the provisioner's key, where this host has one already. */
  ownProvisioner?(): Promise<string | null>
  /** Address of the key that deploys, where this host has one already. */
  ownDeployer?(): Promise<string | null>
  /** The Proxmox server of the answers, by the host's own token. */
  proxmox?: ProxmoxSight
  /** Secrets that guests of a former host know and that are not here, by their files. */
  missingSecrets?(): Promise<string[]>
  /** What the installation itself brings. */
  base?: Partial<ConfigInput>
  signal: AbortSignal
}

/** What a live check found. A failed one throws an AppError with detail and remedy. */
export interface Found {
  /** What was seen, as values that the page puts into its own words. */
  values?: Readonly<Record<string, string | number>>
  /** It will work, and yet a person should know. */
  warning?: string
}

/** One question to the world about a field (W8). */
export interface LiveCheck<Value> {
  /** Kebab-case; the page has words for it. */
  name: string
  /** JSON pointer of the field it is shown at. */
  pointer: string
  /** False where the answers leave nothing to ask. */
  applies?(value: Value): boolean
  run(value: Value, ports: CheckPorts): Promise<Found>
}

/** A page's worth of answers: its schema is that of the answer file itself, so a page can never say what a file could not. */
export interface Section<Value = unknown> {
  name: SectionName
  schema: z.ZodType<Value>
  /** Top-level fields of the answer file. */
  fields: readonly (keyof Config)[]
  /** False where this kind of installation has no such question; `base` is what it brings itself. */
  asked?(base: Partial<ConfigInput>): boolean
  /** The answer while nobody gave one, where one is plain. */
  preset?: Value
  /** Sections whose change makes this one be looked at again (W7). */
  follows: readonly SectionName[]
  checks: readonly LiveCheck<Value>[]
}

/** Keeps the value's type within the section and lets the list hold all of them. */
export function defineSection<Value>(section: Section<Value>): Section {
  return section as unknown as Section
}
