'use client'
import type { VmAction, VmView } from '@freehold/appliance/api/schemas/vms'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { useHost } from '../api/host-context.tsx'
import { api } from '../api/resources.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { textLink } from '../ui/link-button.ts'
import { Notice } from '../ui/Notice.tsx'
import { usePress } from '../ui/use-press.ts'
import { SignedActDialog, type SignedAct } from './SignedActDialog.tsx'

/** The buttons of a VM, from the host's one table: allowed, or disabled with the reason (X8, S13). */
export function Actions({ vm, reload }: { vm: VmView; reload(): void }) {
  const { t } = useTexts()
  const { lost } = useHost()
  const router = useRouter()
  const { at, error, press, clear } = usePress<VmAction>()
  const [asked, setAsked] = useState<SignedAct>()
  const [started, setStarted] = useState<VmAction>()

  function act(action: VmAction) {
    setStarted(undefined)
    press(async () => {
      await api.act(vm.vmId, action)
      setStarted(action)
      reload()
    }, action)
  }

  /** A destroying act is signed for itself, the console is a page of its own; the others go with the session. */
  function choose(action: VmAction) {
    clear()
    if (action === 'console') router.push(`/vms/${vm.vmId}/console`)
    else if (action === 'reinstall' || action === 'rollback') setAsked(action)
    else act(action)
  }

  return (
    <Card className="space-y-5">
      <CardTitle>{t('vm.actions')}</CardTitle>
      {started !== undefined && (
        <Notice tone="good" live>
          <p>{t('vm.action.started', { action: t(`vm.action.${started}`) })}</p>
        </Notice>
      )}
      {error !== undefined && <ErrorBox error={error} focus />}
      <ul className="grid gap-3 sm:grid-cols-2">
        {vm.actions.map(({ action, allowed, reason }) => (
          <li key={action}>
            <Button
              look="secondary"
              wide
              busy={at === action ? t('common.loading') : undefined}
              disabledReason={lost ? t('link.lost.reason') : allowed ? undefined : (reason ?? t('state.unknown'))}
              onClick={() => choose(action)}
            >
              {t(`vm.action.${action}`)}
            </Button>
          </li>
        ))}
      </ul>
      {vm.snapshots.length > 0 && (
        <p className="text-soft">
          {t('vm.snapshots')}: {vm.snapshots.join(', ')}
        </p>
      )}
      {vm.hypervisorPage !== null && (
        <p>
          <a className={textLink} href={vm.hypervisorPage} target="_blank" rel="noreferrer">
            {t('vm.hypervisorPage')}
          </a>
        </p>
      )}
      {asked !== undefined && (
        <SignedActDialog
          vm={vm}
          act={asked}
          onBegun={() => {
            setStarted(asked)
            setAsked(undefined)
            reload()
          }}
          onClose={() => setAsked(undefined)}
        />
      )}
    </Card>
  )
}
