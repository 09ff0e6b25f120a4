import type { BackupHealth } from '../backup/backups.ts'
import type { Heads } from '../chain/port.ts'
import type { Clock } from '../clock/clock.ts'
import { findAppError } from '../errors/app-error.ts'
import type { Hypervisor } from '../hypervisor/port.ts'
import type { BrokerTrouble } from '../network/broker/client.ts'
import { hypervisorDetail } from '../vms/pass-issues.ts'
import type { Reconciler } from '../vms/reconciler.ts'
import type { ServedContract } from '../vms/vm-work.ts'
import type { ChainHealth, HealthFacts } from './facts.ts'

export interface GatherPorts {
  clock: Clock
  contracts: readonly ServedContract[]
  chain: { name: string; lowBalanceWei: bigint }
  hypervisor: Pick<Hypervisor, 'capabilities' | 'capacity' | 'templates' | 'problems'>
  reconciler: Pick<Reconciler, 'status'>
  /** The template that new VMs are made of, or undefined if none is configured. */
  template(): Promise<string | undefined>
  /** Undefined where WASM is not served. */
  wasm?(): 'up' | 'down' | undefined
  /** Undefined where the certificate is none of this host's to get. */
  certificate?(): Promise<HealthFacts['certificate']>
  /** Undefined where the machine's disks are no concern of this host. */
  mirrors?(): Promise<HealthFacts['mirrors']>
  /** Undefined where nobody asks for backups. */
  backups?(): Promise<BackupHealth>
  /** Undefined where no broker serves this host. */
  brokers?(): readonly BrokerTrouble[] | undefined
}

/** Asks everything once, side by side. Never rejects: what does not answer is undefined in the facts. */
export async function gatherFacts(ports: GatherPorts): Promise<HealthFacts> {
  const [chains, hypervisor, template] = await Promise.all([
    Promise.all(ports.contracts.map((c) => chainHealth(c, ports.chain))),
    hypervisorHealth(ports.hypervisor),
    ports.template().catch(() => undefined),
  ])
  const wasm = ports.wasm?.()
  const certificate = await ports.certificate?.().catch(() => undefined)
  const backups = await ports.backups?.().catch(() => undefined)
  const mirrors = await ports.mirrors?.().catch(() => undefined)
  const brokers = ports.brokers?.()
  const { issues: vms } = ports.reconciler.status()
  return {
    now: ports.clock.now(),
    chains,
    hypervisor,
    template,
    vms,
    ...(wasm !== undefined && { wasm }),
    ...(brokers !== undefined && { brokers }),
    ...(backups !== undefined && { backups }),
    ...(mirrors !== undefined && { mirrors }),
    ...(certificate !== undefined && { certificate }),
  }
}

async function chainHealth({ reader, provisioner }: ServedContract, chain: GatherPorts['chain']): Promise<ChainHealth> {
  const [heads, balance, plans] = await Promise.all([
    reader.heads().catch(() => undefined),
    provisioner.balance().catch(() => undefined),
    reader
      .snapshot('giving')
      .then((s) => s.plans)
      .catch(() => []),
  ])
  return {
    installation: reader.installation,
    name: chain.name,
    heads: heads && brief(heads),
    balance,
    provisioner: provisioner.address,
    lowBalance: chain.lowBalanceWei,
    plans,
  }
}

function brief({ latest, stale, standing, agreeing }: Heads): NonNullable<ChainHealth['heads']> {
  return { latestTime: latest.timestamp, stale, standing, agreeing }
}

async function hypervisorHealth(hypervisor: GatherPorts['hypervisor']): Promise<HealthFacts['hypervisor']> {
  try {
    const [{ name, isolation, snapshots }, capacity, templates, problems] = await Promise.all([
      hypervisor.capabilities(),
      hypervisor.capacity(),
      hypervisor.templates(),
      hypervisor.problems?.() ?? [],
    ])
    return { up: true, name, isolation, snapshots, capacity, templates: templates.map((t) => t.sha256), problems }
  } catch (error) {
    return { up: false, detail: hypervisorDetail(findAppError(error)) }
  }
}
