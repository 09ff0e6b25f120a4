import { formatEther } from 'ethers'
import type { Config } from '../../config/schema.ts'
import { neededWei } from '../funds.ts'

/** One change that setup will make, in the order in which it is made (W9). The page has words for `kind`. */
export interface Change {
  step: string
  kind:
    | 'storage'
    | 'template'
    | 'key'
    | 'contract'
    | 'contract-taken'
    | 'plan'
    | 'funds'
    | 'file'
    | 'network'
    | 'uplink'
    | 'certificate-acme'
    | 'certificate-own'
    | 'storefront'
    | 'backup'
  values: Record<string, string | number>
  /** `no`: it stays for good. `part`: it can be ended, not unmade. */
  undo: 'yes' | 'part' | 'no'
  /** What it costs, in wei, about; null where nothing is paid. */
  costWei: string | null
}

export interface ReviewFacts {
  /** What the network takes for the deployment now, or null if it could not be asked. */
  deploymentWei: bigint | null
  provisioner: string | null
  deployer: string | null
  /** Below it lies what has no place of its own. */
  stateFolder: string
}

/** Everything that setup changes by these answers, before anything is changed. Pure. */
export function changesOf(answers: Config, facts: ReviewFacts): Change[] {
  const none = { costWei: null } as const
  const taken = answers.contracts[0]
  const changes: Change[] = [
    { step: 'storage', kind: 'storage', values: { place: placeOf(answers) }, undo: 'yes', ...none },
    {
      step: 'template',
      kind: 'template',
      values: { name: answers.template.sha256?.slice(0, 12) ?? 'Debian 13', built: answers.template.image === undefined ? 1 : 0 },
      undo: 'yes',
      ...none,
    },
    { step: 'chain', kind: 'key', values: { name: 'provisioner', address: facts.provisioner ?? '' }, undo: 'part', ...none },
  ]
  if (answers.mode === 'installed') {
    const { gateway, prefixLength } = answers.network.ipv4
    changes.splice(0, 0, {
      step: 'network',
      kind: 'network',
      values: { range: `${gateway}/${prefixLength}` },
      undo: 'yes',
      ...none,
    })
  }
  const { uplink, tls } = answers
  if (answers.mode === 'installed' && uplink !== null) {
    const address = uplink.ipv4 === 'dhcp' ? 'DHCP' : `${uplink.ipv4.address}/${uplink.ipv4.prefixLength}`
    changes.unshift({ step: 'uplink', kind: 'uplink', values: { address }, undo: 'yes', ...none })
  }
  if (taken === undefined) {
    changes.push(
      {
        step: 'contracts',
        kind: 'funds',
        values: { address: (answers.deployment === 'key' ? facts.deployer : facts.provisioner) ?? '', amount: fundsOf(answers) },
        undo: 'part',
        ...none,
      },
      {
        step: 'contracts',
        kind: 'contract',
        values: {
          network: answers.chain.name,
          owner: answers.roles.owner,
          treasury: answers.roles.treasury,
          by: answers.deployment,
        },
        undo: 'no',
        costWei: facts.deploymentWei === null ? null : String(facts.deploymentWei),
      },
      ...answers.plans.map((plan): Change => ({
        step: 'contracts',
        kind: 'plan',
        values: { name: plan.name, capacity: plan.capacity, prices: Object.keys(plan.prices).length },
        undo: 'part',
        ...none,
      })),
    )
  } else {
    changes.push({ step: 'contracts', kind: 'contract-taken', values: { address: taken.address }, undo: 'yes', ...none })
  }
  if (answers.mode === 'installed' && tls.kind !== 'first-boot') {
    const name = new URL(answers.origin).hostname
    changes.push(
      tls.kind === 'acme'
        ? {
            step: 'tls',
            kind: 'certificate-acme',
            values: { name, authority: new URL(tls.directory).host },
            undo: 'part',
            ...none,
          }
        : { step: 'tls', kind: 'certificate-own', values: { name }, undo: 'part', ...none },
    )
  }
  changes.push(
    { step: 'storefront-check', kind: 'file', values: { name: 'freehold.yaml' }, undo: 'yes', ...none },
    ...(answers.wasm.enabled
      ? [{ step: 'wasm', kind: 'file' as const, values: { name: 'wasm.yaml' }, undo: 'yes' as const, ...none }]
      : []),
    { step: 'start', kind: 'storefront', values: { origin: answers.origin }, undo: 'yes', ...none },
  )
  const { recipient, passphraseFile, folder } = answers.backup
  if (recipient !== undefined || passphraseFile !== undefined) {
    changes.push({
      step: 'backup',
      kind: 'backup',
      values: { folder: folder ?? `${facts.stateFolder}/backups`, recipient: recipient ?? passphraseFile ?? '' },
      undo: 'part',
      ...none,
    })
  }
  return changes
}

function fundsOf(answers: Config): string {
  return formatEther(neededWei(answers))
}

function placeOf({ hypervisor }: Config): string {
  if (hypervisor.kind === 'libvirt') return hypervisor.folder ?? 'libvirt'
  return hypervisor.kind === 'proxmox' ? hypervisor.diskStorage : 'fake'
}
