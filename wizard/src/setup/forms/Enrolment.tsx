'use client'
import { useState } from 'react'
import { useHost } from '../../api/host-context.tsx'
import { useTexts } from '../../i18n/text-context.tsx'
import { Button } from '../../ui/Button.tsx'
import { TextField } from '../../ui/Field.tsx'
import { Notice } from '../../ui/Notice.tsx'
import { usePress } from '../../ui/use-press.ts'
import { setupApi, type DiskPlace, type EnrolmentPlan } from '../resources.ts'
import { FormError } from '../FormError.tsx'
import { DiskPlaces } from './DiskPlaces.tsx'
import type { FieldsProps } from './fields.ts'

/**
 * Enrolment with Proxmox: the plan is shown first, nothing is changed before it was seen. The privileged token lives in this page
 * until enrolment has ended, and nowhere on the host.
 */
export function Enrolment(
  props: Pick<FieldsProps, 'wrong' | 'tell'> & {
    hypervisor: Record<string, unknown>
    you: string | null
    disks: string
    onDisks(storage: string): void
    onEnrolled(tokenFile: string): void
  },
) {
  const { t } = useTexts()
  const { lost } = useHost()
  const [token, setToken] = useState('')
  const [networks, setNetworks] = useState<string>()
  const [plan, setPlan] = useState<EnrolmentPlan>()
  const [done, setDone] = useState(false)
  const { at: doing, error, press } = usePress(props.tell)
  const own = networks ?? props.you ?? ''

  function act(what: 'plan' | 'enrol') {
    const body = {
      hypervisor: props.hypervisor,
      privilegedToken: token,
      operatorNetworks: own.split(/[\s,]+/).filter((word) => word !== ''),
    }
    press(async () => {
      if (what === 'plan') return setPlan(await setupApi.planEnrolment(body))
      const { steps, tokenFile } = await setupApi.enrol(body)
      setPlan((before) => ({ storages: before?.storages ?? [], steps }))
      setToken('')
      setDone(true)
      props.onEnrolled(tokenFile)
    }, what)
  }

  const places: readonly DiskPlace[] = plan?.storages ?? []
  const reason = lost ? t('link.lost.reason') : token === '' ? t('setup.enrolment.needsToken') : undefined
  return (
    <section aria-label={t('setup.enrolment.title')} className="space-y-5 rounded-xl border border-line p-4">
      <h3 className="font-semibold">{t('setup.enrolment.title')}</h3>
      <p className="text-soft">{t('setup.enrolment.text')}</p>
      <TextField
        label={t('setup.enrolment.token')}
        hint={t('setup.enrolment.tokenHint')}
        {...props.wrong('/privilegedToken')}
        type="password"
        value={token}
        onChange={(e) => {
          setToken(e.target.value.trim())
          setDone(false)
        }}
        autoComplete="off"
        spellCheck={false}
      />
      <TextField
        label={t('setup.enrolment.networks')}
        hint={t('setup.enrolment.networksHint')}
        {...props.wrong('/operatorNetworks/0', '/operatorNetworks/1', '/operatorNetworks')}
        value={own}
        onChange={(e) => setNetworks(e.target.value)}
        autoComplete="off"
        spellCheck={false}
      />
      <DiskPlaces places={places} value={props.disks} onChange={props.onDisks} />
      {plan !== undefined && (
        <div>
          <p className="font-medium">{t(done ? 'setup.enrolment.done' : 'setup.enrolment.plan')}</p>
          <ul className="mt-2 space-y-1">
            {plan.steps.map((step) => (
              <li key={step.what} className="flex gap-3">
                <span aria-hidden="true" className="w-4 text-center font-bold">
                  {step.done ? '✓' : '·'}
                </span>
                <span className="min-w-0 break-words">
                  {step.what}
                  <span className="sr-only">, {t(step.done ? 'setup.enrolment.there' : 'setup.enrolment.todo')}</span>
                </span>
              </li>
            ))}
          </ul>
        </div>
      )}
      {error !== undefined && <FormError error={error} />}
      {done ? (
        <Notice tone="good" live title={t('setup.enrolment.ended')}>
          <p>{t('setup.enrolment.endedText')}</p>
        </Notice>
      ) : (
        <div className="flex flex-wrap gap-3">
          <Button
            look="secondary"
            onClick={() => act('plan')}
            busy={doing === 'plan' ? t('setup.enrolment.looking') : undefined}
            disabledReason={reason}
          >
            {t('setup.enrolment.look')}
          </Button>
          {plan !== undefined && (
            <Button
              onClick={() => act('enrol')}
              busy={doing === 'enrol' ? t('setup.enrolment.running') : undefined}
              disabledReason={reason}
            >
              {t('setup.enrolment.run')}
            </Button>
          )}
        </div>
      )}
    </section>
  )
}
