'use client'
import { useTexts } from '../../i18n/text-context.tsx'
import { useResource } from '../../api/use-resource.ts'
import { Choice, TextField } from '../../ui/Field.tsx'
import { setupApi } from '../resources.ts'
import { DiskPlaces } from './DiskPlaces.tsx'
import { Enrolment } from './Enrolment.tsx'
import type { FieldsProps } from './fields.ts'

type Kind = 'libvirt' | 'proxmox' | 'fake'
interface Node {
  url: string
  name: string
  fingerprint?: string
}
interface Hypervisor {
  kind: Kind
  nodes?: Node[]
  tokenFile?: string
  diskStorage?: string
  bridge?: string
  folder?: string
}

/** What runs the VMs: this machine, or a Proxmox cluster that was enrolled. */
export function HypervisorFields({ value, onChange, wrong, tell }: FieldsProps) {
  const { t } = useTexts()
  const hypervisor = value['hypervisor'] as Hypervisor
  const change = (fields: Partial<Hypervisor>) => onChange({ hypervisor: { ...hypervisor, ...fields } })
  const storages = useResource('setup storages', setupApi.storages)
  const places = storages.data?.places ?? []
  const node = hypervisor.nodes?.[0] ?? { url: '', name: '' }
  const changeNode = (fields: Partial<Node>) => change({ nodes: [{ ...node, ...fields }, ...(hypervisor.nodes ?? []).slice(1)] })
  // the fake one is for development: offered only where it was chosen by an answer
  const kinds: readonly Kind[] = hypervisor.kind === 'fake' ? ['libvirt', 'proxmox', 'fake'] : ['libvirt', 'proxmox']
  return (
    <>
      <Choice
        legend={t('setup.hypervisor.kind')}
        name="hypervisor"
        {...wrong('/hypervisor/kind', '/hypervisor')}
        value={hypervisor.kind}
        onChange={(kind) =>
          onChange({
            hypervisor:
              kind === 'proxmox'
                ? {
                    kind,
                    nodes: [{ url: '', name: '' }],
                    tokenFile: '',
                    diskStorage: 'local-lvm',
                    bridge: 'vmbr0',
                  }
                : { kind },
          })
        }
        options={kinds.map((kind) => ({
          value: kind,
          label: t(`setup.hypervisor.${kind}`),
          detail: t(`setup.hypervisor.${kind}Text`),
        }))}
      />
      {hypervisor.kind === 'libvirt' && (
        <DiskPlaces
          places={places}
          value={hypervisor.folder ?? ''}
          onChange={(folder) => change({ folder })}
          {...wrong('/hypervisor/folder')}
        />
      )}
      {hypervisor.kind === 'proxmox' && (
        <div className="grid gap-5 sm:grid-cols-2">
          <TextField
            label={t('setup.hypervisor.url')}
            hint={t('setup.hypervisor.urlHint')}
            {...wrong('/hypervisor/nodes/0/url')}
            value={node.url}
            onChange={(e) => changeNode({ url: e.target.value.trim() })}
            inputMode="url"
            autoComplete="off"
            spellCheck={false}
          />
          <TextField
            label={t('setup.hypervisor.name')}
            hint={t('setup.hypervisor.nameHint')}
            {...wrong('/hypervisor/nodes/0/name')}
            value={node.name}
            onChange={(e) => changeNode({ name: e.target.value.trim() })}
            autoComplete="off"
            spellCheck={false}
          />
          <TextField
            label={t('setup.hypervisor.fingerprint')}
            hint={t('setup.hypervisor.fingerprintHint')}
            {...wrong('/hypervisor/nodes/0/fingerprint')}
            value={node.fingerprint ?? ''}
            onChange={(e) => {
              const { fingerprint: _, ...rest } = node
              const text = e.target.value.trim()
              change({ nodes: [text === '' ? rest : { ...rest, fingerprint: text }, ...(hypervisor.nodes ?? []).slice(1)] })
            }}
            autoComplete="off"
            spellCheck={false}
            className="font-mono"
          />
          <TextField
            label={t('setup.hypervisor.storage')}
            {...wrong('/hypervisor/diskStorage')}
            value={hypervisor.diskStorage ?? ''}
            onChange={(e) => change({ diskStorage: e.target.value.trim() })}
            autoComplete="off"
          />
          <TextField
            label={t('setup.hypervisor.bridge')}
            {...wrong('/hypervisor/bridge')}
            value={hypervisor.bridge ?? ''}
            onChange={(e) => change({ bridge: e.target.value.trim() })}
            autoComplete="off"
          />
          <TextField
            label={t('setup.hypervisor.tokenFile')}
            hint={t('setup.hypervisor.tokenFileHint')}
            {...wrong('/hypervisor/tokenFile')}
            value={hypervisor.tokenFile ?? ''}
            onChange={(e) => change({ tokenFile: e.target.value.trim() })}
            autoComplete="off"
          />
        </div>
      )}
      {hypervisor.kind === 'proxmox' && (
        <Enrolment
          hypervisor={{ ...hypervisor }}
          you={storages.data?.you ?? null}
          disks={hypervisor.diskStorage ?? ''}
          onDisks={(diskStorage) => change({ diskStorage })}
          wrong={wrong}
          tell={tell}
          onEnrolled={(tokenFile) => change({ tokenFile })}
        />
      )}
    </>
  )
}
