'use client'
import { useState, type ComponentType, type FormEvent } from 'react'
import { useHost } from '../api/host-context.tsx'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { Notice } from '../ui/Notice.tsx'
import { usePress } from '../ui/use-press.ts'
import { CheckList } from './CheckList.tsx'
import { FormError, problemsOf, type Problem } from './FormError.tsx'
import { AddressFields } from './forms/AddressFields.tsx'
import { BackupFields } from './forms/BackupFields.tsx'
import { ChainFields } from './forms/ChainFields.tsx'
import { ExistingFields } from './forms/ExistingFields.tsx'
import { HypervisorFields } from './forms/HypervisorFields.tsx'
import { NetworkFields } from './forms/NetworkFields.tsx'
import { PeopleFields } from './forms/PeopleFields.tsx'
import { PlansFields } from './forms/PlansFields.tsx'
import { TemplateFields } from './forms/TemplateFields.tsx'
import { TlsFields } from './forms/TlsFields.tsx'
import { UplinkFields } from './forms/UplinkFields.tsx'
import type { FieldsProps } from './forms/fields.ts'
import { setupApi, type SectionName, type SectionView, type Value } from './resources.ts'
import { useChecks } from './use-checks.ts'

/** What each page asks, and what it proposes before anybody answered. */
const pages: Record<SectionName, { fields: ComponentType<FieldsProps>; proposal(): Value }> = {
  uplink: { fields: UplinkFields, proposal: () => ({ uplink: null }) },
  existing: { fields: ExistingFields, proposal: () => ({ contracts: [] }) },
  tls: { fields: TlsFields, proposal: () => ({ tls: { kind: 'own-ca' } }) },
  address: { fields: AddressFields, proposal: () => ({ origin: globalThis.location?.origin ?? '' }) },
  chain: {
    fields: ChainFields,
    proposal: () => ({ chain: { chainId: 0, name: '', rpcUrls: [''], confirmations: 12 }, publicChain: true }),
  },
  people: { fields: PeopleFields, proposal: () => ({ roles: { owner: '', treasury: '' }, deployment: 'wallet' }) },
  hypervisor: { fields: HypervisorFields, proposal: () => ({ hypervisor: { kind: 'libvirt' } }) },
  network: {
    fields: NetworkFields,
    proposal: () => ({ network: { ipv4: { gateway: '10.77.0.1', prefixLength: 16 }, ipv6: null } }),
  },
  backup: { fields: BackupFields, proposal: () => ({ backup: { recipient: '' } }) },
  template: { fields: TemplateFields, proposal: () => ({ template: {} }) },
  plans: {
    fields: PlansFields,
    proposal: () => ({
      plans: [
        {
          name: 'Small',
          vcpus: 1,
          memoryMiB: 1024,
          diskGiB: 10,
          graceDays: 7,
          capacity: 4,
          prices: { native: '1000000000000000' },
        },
      ],
    }),
  },
}

/** One page of answers: fields, live checks, one button. Nothing typed is lost to a lost link or an ended session. */
export function SectionPage(props: {
  section: SectionView
  sections: readonly SectionView[]
  /** What the review found wrong with the answer as it was saved. */
  refused: readonly Problem[]
  /** Goes on to the next page. */
  onSaved(): Promise<void>
}) {
  const { section, sections, onSaved } = props
  const { t } = useTexts()
  const { lost } = useHost()
  const { fields: Fields, proposal } = pages[section.name]
  const [value, setValue] = useState<Value>(() => section.value ?? proposal())
  const [revision, setRevision] = useState(section.revision)
  const { busy, error, press, clear } = usePress()
  const checks = useChecks(section.name, value)
  // of an act within the page: a network that is tried, an enrolment
  const [told, setTold] = useState<unknown>()
  const [touched, setTouched] = useState(false)
  const problems = [...problemsOf(error), ...problemsOf(told), ...(touched ? [] : props.refused)]
  const changedElsewhere = section.revision !== revision && section.value !== null

  function save(event: FormEvent) {
    event.preventDefault()
    if (busy) return
    setTouched(true)
    press(async () => {
      const saved = await setupApi.answer(section.name, revision, value)
      setRevision(saved.revision)
      await onSaved()
    })
  }

  return (
    <Card>
      <CardTitle>{t(`setup.section.${section.name}`)}</CardTitle>
      <p className="mt-2 max-w-prose text-soft">{t(`setup.section.${section.name}.text`)}</p>
      <form onSubmit={save} noValidate className="mt-5 space-y-5">
        {section.state === 'check-again' && (
          <Notice tone="warn">
            <p>{t('setup.again')}</p>
          </Notice>
        )}
        {changedElsewhere && (
          <Notice tone="warn" live title={t('setup.elsewhere.title')}>
            <p>{t('setup.elsewhere.text')}</p>
            <Button
              look="secondary"
              onClick={() => {
                setValue(section.value ?? proposal())
                setRevision(section.revision)
                clear()
              }}
            >
              {t('setup.elsewhere.take')}
            </Button>
          </Notice>
        )}
        <Fields
          value={value}
          sections={sections}
          saved={async (kept) => {
            setRevision(kept.revision)
            setValue(kept.value ?? proposal())
            await onSaved()
          }}
          onChange={(next) => {
            setValue(next)
            setTouched(true)
            clear()
          }}
          tell={setTold}
          wrong={(...pointers) => {
            const here = problems.filter((one) => pointers.includes(one.pointer)).map((one) => one.detail)
            return { error: here.length === 0 ? undefined : [...new Set(here)].join('; '), 'data-pointer': pointers.join(' ') }
          }}
        />
        <CheckList checks={checks} />
        {error !== undefined && <FormError error={error} />}
        <Button
          type="submit"
          busy={busy ? t('setup.saving') : undefined}
          disabledReason={lost ? t('link.lost.reason') : undefined}
        >
          {t('setup.save')}
        </Button>
      </form>
    </Card>
  )
}
