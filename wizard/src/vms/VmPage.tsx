'use client'
import type { VmView } from '@freehold/appliance/api/schemas/vms'
import Link from 'next/link'
import { useEffect, useState } from 'react'
import { useNow } from '../api/host-context.tsx'
import { hasCode } from '../api/failure.ts'
import { api } from '../api/resources.ts'
import { useResource } from '../api/use-resource.ts'
import { distance, utcTime } from '../format/time.ts'
import { isWasm, machineParts } from '../wasm/plan-text.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { shortSubject } from '../operator/short-subject.ts'
import { SignInBox } from '../session/SignInBox.tsx'
import { useSession } from '../session/session-context.tsx'
import { Address } from '../ui/Address.tsx'
import { Card, CardTitle, PageHeading } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Facts } from '../ui/Facts.tsx'
import { linkButton } from '../ui/link-button.ts'
import { Loading } from '../ui/Loading.tsx'
import { Badge, Notice } from '../ui/Notice.tsx'
import { Skeleton } from '../ui/Skeleton.tsx'
import { Actions } from './Actions.tsx'
import { Cancel } from './Cancel.tsx'
import { Connect } from './Connect.tsx'
import { Extend } from './Extend.tsx'
import { Metrics } from './Metrics.tsx'
import { ReceiptButton } from './Receipt.tsx'
import { TaskLine } from './TaskLine.tsx'
import { Transfer } from './Transfer.tsx'
import { TransferCare } from './TransferCare.tsx'
import { WasmLink } from '../wasm/WasmLink.tsx'
import { noteOf, stateTones, timeNotice } from './vm-texts.ts'

const leaving = ['not-allowed', 'vm-unknown', 'not-found']

/** `/vms/[vmId]`: one VM, for its holder. */
export function VmPage({ vmId }: { vmId: string }) {
  const { t } = useTexts()
  const { session, forget } = useSession()
  const {
    data: vm,
    error,
    reload,
  } = useResource(session == null ? null : `vm ${vmId} ${session.sessionId}`, (signal) => api.vm(vmId, signal), 3000)
  useEffect(() => {
    if (hasCode(error, 'not-signed-in')) forget()
  }, [error, forget])
  const [farewell, setFarewell] = useState<string>()
  // who no longer holds the pass is shown nothing of the VM any more, also not what was shown a moment ago
  const refused = leaving.some((code) => hasCode(error, code))
  if (refused && farewell !== undefined) {
    return (
      <div className="mx-auto max-w-2xl space-y-8">
        <PageHeading title={t('vm.title', { name: shortSubject(vmId) })} />
        <Notice tone="good" live>
          <p>{farewell}</p>
          <Link href="/my" className={linkButton}>
            {t('nav.my')}
          </Link>
        </Notice>
      </div>
    )
  }
  if (session === null || vm === undefined || refused) {
    return (
      <div className="mx-auto max-w-2xl space-y-8">
        <PageHeading title={t('vm.title', { name: shortSubject(vmId) })} />
        {session === null ? (
          <SignInBox why={t('vm.notYours')} />
        ) : error === undefined ? (
          <Loading>
            <Skeleton className="h-80 rounded-2xl" />
          </Loading>
        ) : (
          <>
            <ErrorBox error={error} />
            {refused && <SignInBox why={t('vm.notYours')} />}
          </>
        )}
      </div>
    )
  }
  return <FilledVmPage vm={vm} reload={reload} onLeave={setFarewell} />
}

function FilledVmPage({ vm, reload, onLeave }: { vm: VmView; reload(): void; onLeave(words: string): void }) {
  const { t, when, money, locale } = useTexts()
  const now = useNow()
  const s = vm.subscription
  const gone = s.entitlement === 'ended'
  const note = noteOf(vm)
  return (
    <div className="mx-auto max-w-2xl space-y-6">
      <PageHeading title={vm.hostname}>
        <Badge tone={stateTones[vm.state]}>{t(`state.${vm.state}`)}</Badge>
      </PageHeading>
      {!gone && <TransferCare vm={vm} reload={reload} />}
      {vm.task !== null && <TaskLine task={vm.task} />}
      <TimeNotice vm={vm} now={now} />
      {note !== undefined && !saidAbove(vm) && (
        <Notice>
          <p>{t(note)}</p>
        </Notice>
      )}
      {isWasm(vm) ? <WasmLink /> : <Connect vm={vm} />}
      <Card className="space-y-4">
        <CardTitle>{t('vm.subscription')}</CardTitle>
        <Facts
          facts={[
            { label: t('my.plan'), value: <bdi>{s.planName}</bdi> },
            {
              label: t('review.machine'),
              value: machineParts(vm, { t, locale }).join(', '),
            },
            ...(s.activatedAt > 0
              ? [
                  { label: t('vm.started'), value: when(s.activatedAt, now) },
                  { label: t('vm.ends'), value: when(s.expiresAt, now) },
                ]
              : [{ label: t('vm.deadline'), value: when(s.activationDeadline, now) }]),
            { label: t('vm.paid'), value: money(s.paid, s) },
            { label: t('vm.refundable'), value: money(s.refundable, s) },
            { label: t('vm.pass'), value: t('vm.pass.value', { id: s.tokenId }) },
            { label: t('vm.holder'), value: <Address value={s.holder} what={t('vm.holder')} /> },
          ]}
        />
        <ReceiptButton vm={vm} />
      </Card>
      {!gone && !isWasm(vm) && <Actions vm={vm} reload={reload} />}
      {vm.state === 'running' && !isWasm(vm) && <Metrics vmId={vm.vmId} />}
      {!gone && s.entitlement !== 'pending' && <Extend vm={vm} reload={reload} />}
      {!gone && <Transfer vm={vm} reload={reload} onLeave={onLeave} />}
      {!gone && <Cancel vm={vm} reload={reload} onLeave={onLeave} />}
    </div>
  )
}

/** True where the notice about time, or the line of the work that goes on, says the same as the note. */
function saidAbove({ state, subscription, task }: VmView): boolean {
  if (state === 'preparing') return task !== null
  return state === 'suspended' || state === 'ended' || (state === 'ending' && subscription.entitlement !== 'ended')
}

/** What is about to happen, first on the page (S11). */
function TimeNotice({ vm, now }: { vm: VmView; now: number }) {
  const { t, length, locale } = useTexts()
  const { expiresAt, graceEndsAt } = vm.subscription
  const grace = length(graceEndsAt - expiresAt)
  switch (timeNotice(vm, now)) {
    case undefined:
      return null
    case 'ends-soon':
      return (
        <Notice tone="warn" title={t('vm.endsSoonTitle', { distance: distance(expiresAt, now, locale) })}>
          <p>{t('vm.endsSoonText', { grace })}</p>
        </Notice>
      )
    case 'suspended':
      return (
        <Notice tone="warn" title={t('vm.suspendedTitle', { time: utcTime(graceEndsAt, locale) })}>
          <p>{t('vm.suspendedText', { distance: distance(expiresAt, now, locale) })}</p>
        </Notice>
      )
    case 'about-to-be-deleted':
      return (
        <Notice tone="bad" title={t('vm.graceOverTitle')}>
          <p>{t('vm.graceOverText')}</p>
        </Notice>
      )
    case 'ended':
      return (
        <Notice title={t('vm.endedTitle')}>
          <p>{t('vm.endedText')}</p>
        </Notice>
      )
  }
}
