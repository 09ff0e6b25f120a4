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
import { Notice } from '../ui/Notice.tsx'
import { SignedActDialog, type SignedAct } from './SignedActDialog.tsx'

/** The buttons of a VM, from the host's one table: allowed, or disabled with the reason (X8, S13). */
export function Actions({ vm, reload }: { vm: VmView; reload(): void }) {
  const { t } = useTexts()
  const { lost } = useHost()
  const router = useRouter()
  const [busy, setBusy] = useState<VmAction>()
  const [asked, setAsked] = useState<SignedAct>()
  const [error, setError] = useState<unknown>()
  const [started, setStarted] = useState<VmAction>()

  async function act(action: VmAction) {
    setBusy(action)
    setError(undefined)
    setStarted(undefined)
    try {
      await api.act(vm.vmId, action)
      setStarted(action)
      reload()
    } catch (e) {
      setError(e)
    } finally {
      setBusy(undefined)
    }
  }

  /** A destroying act is signed for itself, the console is a page of its own; the others go with the session. */
  function press(action: VmAction) {
    setError(undefined)
    if (action === 'console') router.push(`/vms/${vm.vmId}/console`)
    else if (action === 'reinstall' || action === 'rollback') setAsked(action)
    else void act(action)
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
              busy={busy === action ? t('common.loading') : undefined}
              disabledReason={lost ? t('link.lost.reason') : allowed ? undefined : (reason ?? t('state.unknown'))}
              onClick={() => press(action)}
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
