'use client'
import type { VmAction, VmView } from '@freehold/appliance/api/schemas/vms'
import { useState } from 'react'
import { useHost, useNow } from '../api/host-context.tsx'
import { PageFailure } from '../api/failure.ts'
import { api } from '../api/resources.ts'
import { clockLength } from '../format/time.ts'
import { gibibytes } from '../format/size.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { signAct } from '../sign-in/sign.ts'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Notice } from '../ui/Notice.tsx'
import { useWallets } from '../wallet/wallet-context.tsx'
import { phaseText } from './phase-text.ts'
import { TypedConfirm } from './TypedConfirm.tsx'
import { useWalletReason } from './use-wallet-reason.ts'

/** The buttons of a VM, from the host's one table: allowed, or disabled with the reason (X8, S13). */
export function Actions({ vm, reload }: { vm: VmView; reload(): void }) {
  const { t, locale } = useTexts()
  const { lost } = useHost()
  const { current: wallet } = useWallets()
  const holderReason = useWalletReason(vm, true)
  const [busy, setBusy] = useState<VmAction>()
  const [asked, setAsked] = useState<'reinstall' | 'rollback'>()
  const [error, setError] = useState<unknown>()
  const [started, setStarted] = useState<VmAction>()

  /** A destroying act is signed for itself; the others go with the session. */
  async function act(action: VmAction) {
    setBusy(action)
    setError(undefined)
    setStarted(undefined)
    try {
      let requestId: string | undefined
      if (action === 'reinstall' || action === 'rollback') {
        if (wallet === undefined) throw new PageFailure('wallet.gone')
        const signed = await signAct(wallet, action, vm.vmId)
        if (signed.approval.state !== 'approved') throw new PageFailure('reply')
        requestId = signed.requestId
      }
      await api.act(vm.vmId, action, requestId)
      setStarted(action)
      setAsked(undefined)
      reload()
    } catch (e) {
      setError(e)
    } finally {
      setBusy(undefined)
    }
  }

  return (
    <Card className="space-y-5">
      <CardTitle>{t('vm.actions')}</CardTitle>
      {vm.task !== null && <TaskLine task={vm.task} />}
      {started !== undefined && (
        <Notice tone="good" live>
          <p>{t('vm.action.started', { action: t(`vm.action.${started}`) })}</p>
        </Notice>
      )}
      {error !== undefined && asked === undefined && <ErrorBox error={error} focus />}
      <ul className="grid gap-3 sm:grid-cols-2">
        {vm.actions.filter(shownHere).map(({ action, allowed, reason }) => (
          <li key={action}>
            <Button
              look="secondary"
              wide
              busy={busy === action ? t('common.loading') : undefined}
              disabledReason={lost ? t('link.lost.reason') : allowed ? undefined : (reason ?? t('state.unknown'))}
              onClick={() => {
                setError(undefined)
                if (action === 'reinstall' || action === 'rollback') setAsked(action)
                else void act(action)
              }}
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
        <TypedConfirm
          title={t(`${asked}.title`, { name: vm.hostname })}
          name={vm.hostname}
          intro={t(`${asked}.text`)}
          lost={[
            asked === 'reinstall'
              ? t('reinstall.lost', { size: gibibytes(vm.diskGiB, locale) })
              : t('rollback.lost', { snapshot: vm.snapshots.at(-1) ?? '' }),
          ]}
          confirm={t(`${asked}.confirm`)}
          busy={busy === undefined ? undefined : t('tx.wallet')}
          error={error}
          disabledReason={holderReason}
          onConfirm={() => void act(asked)}
          onClose={() => setAsked(undefined)}
        >
          {asked === 'reinstall' && <p>{t('reinstall.kept')}</p>}
        </TypedConfirm>
      )}
    </Card>
  )
}

/** The console opens over a connection of its own, not over this call. */
function shownHere({ action }: VmView['actions'][number]): boolean {
  return action !== 'console'
}

/** The work that goes on, which no page can cancel by leaving (X7). */
function TaskLine({ task }: { task: NonNullable<VmView['task']> }) {
  const { t } = useTexts()
  const now = useNow()
  const step = task.steps.find((s) => s.state === 'running')
  if (task.state === 'done') return null
  return (
    <Notice title={t('vm.task')} tone={task.state === 'failed' ? 'bad' : 'info'}>
      <p className="tabular">
        {t('vm.task.kind', { kind: task.kind, time: clockLength((task.endedAt ?? now) - task.createdAt) })}
        {step !== undefined && `: ${phaseText(step.phase ?? step.name, t)}`}
      </p>
      {task.error !== null && (
        <p>
          {task.error.title}: {task.error.detail} {task.error.hint} <code className="font-mono text-sm">{task.error.code}</code>
        </p>
      )}
    </Notice>
  )
}
