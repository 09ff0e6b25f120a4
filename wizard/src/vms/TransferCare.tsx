'use client'
import type { VmView } from '@freehold/appliance/api/schemas/vms'
import { useState } from 'react'
import { useHost } from '../api/host-context.tsx'
import { api } from '../api/resources.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Address } from '../ui/Address.tsx'
import { Button } from '../ui/Button.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Notice } from '../ui/Notice.tsx'
import { usePress } from '../ui/use-press.ts'
import { SignedActDialog } from './SignedActDialog.tsx'

/** First on the page of a VM that came from another wallet: its former holder was root here; reinstall or keep (L5). */
export function TransferCare({ vm, reload }: { vm: VmView; reload(): void }) {
  const { t } = useTexts()
  const { lost } = useHost()
  const [asked, setAsked] = useState(false)
  const { busy, error, press } = usePress()
  if (vm.formerHolder === null) return null
  const reinstall = vm.actions.find((a) => a.action === 'reinstall')

  const keep = () =>
    press(async () => {
      await api.keep(vm.vmId, vm.generation)
      reload()
    })

  return (
    <Notice tone="warn" title={t('care.title')}>
      <p>{t('care.text')}</p>
      <p className="flex flex-wrap items-center gap-2">
        {t('care.former')} <Address value={vm.formerHolder} what={t('care.former')} />
      </p>
      <p>{t('care.choice')}</p>
      {error !== undefined && <ErrorBox error={error} focus />}
      <div className="flex flex-wrap items-start gap-3 pt-1">
        <Button
          onClick={() => setAsked(true)}
          disabledReason={
            lost ? t('link.lost.reason') : reinstall?.allowed === true ? undefined : (reinstall?.reason ?? t('state.unknown'))
          }
        >
          {t('care.reinstall')}
        </Button>
        <Button
          look="secondary"
          onClick={keep}
          busy={busy ? t('common.loading') : undefined}
          disabledReason={lost ? t('link.lost.reason') : undefined}
        >
          {t('care.keep')}
        </Button>
      </div>
      {asked && (
        <SignedActDialog
          vm={vm}
          act="reinstall"
          onBegun={() => {
            setAsked(false)
            reload()
          }}
          onClose={() => setAsked(false)}
        />
      )}
    </Notice>
  )
}
