'use client'
import type { VmView } from '@freehold/appliance/api/schemas/vms'
import Link from 'next/link'
import { useEffect, useState } from 'react'
import { useNow } from '../api/host-context.tsx'
import { hasCode } from '../api/failure.ts'
import { api } from '../api/resources.ts'
import { useResource } from '../api/use-resource.ts'
import { distance } from '../format/time.ts'
import { shortAddress } from '../format/address.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { SignedIn } from '../session/SignedIn.tsx'
import { useSession } from '../session/session-context.tsx'
import { ShortAddress } from '../ui/Address.tsx'
import { Button } from '../ui/Button.tsx'
import { PageHeading } from '../ui/Card.tsx'
import { CopyField } from '../ui/Copy.tsx'
import { Empty } from '../ui/Empty.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Facts } from '../ui/Facts.tsx'
import { linkButton } from '../ui/link-button.ts'
import { Loading } from '../ui/Loading.tsx'
import { Badge } from '../ui/Notice.tsx'
import { Skeleton } from '../ui/Skeleton.tsx'
import { usePress } from '../ui/use-press.ts'
import { Credits } from './Credits.tsx'
import { noteOf, stateTones, timeNotice } from './vm-texts.ts'

/** `/my`: the VMs of whoever signed in, wherever the purchase stands (S7, S11). */
export function MyVms() {
  const { t } = useTexts()
  const { session, signOut } = useSession()
  const { busy, error, press } = usePress()
  return (
    <div className="space-y-8">
      <PageHeading title={t('my.title')}>
        {session != null && (
          <p className="flex flex-wrap items-center gap-3 text-soft">
            {t('session.signedInAs', { address: shortAddress(session.address) })}
            <Button look="quiet" onClick={() => press(signOut)} busy={busy ? t('common.loading') : undefined}>
              {t('session.signOut')}
            </Button>
          </p>
        )}
      </PageHeading>
      {error !== undefined && <ErrorBox error={error} focus />}
      <SignedIn why={t('my.signedOut')} waiting={<ListSkeleton />}>
        {({ address }) => (
          <>
            <Credits who={address} />
            <List address={address} />
          </>
        )}
      </SignedIn>
    </div>
  )
}

function ListSkeleton() {
  return (
    <Loading>
      <Skeleton className="h-64 rounded-2xl" />
    </Loading>
  )
}

function List({ address }: { address: string }) {
  const { t } = useTexts()
  const { forget } = useSession()
  const [pages, setPages] = useState(1)
  const { data, error } = useResource(
    `vms ${address} ${pages}`,
    async (signal) => {
      const items: VmView[] = []
      let cursor: string | null | undefined
      for (let page = 0; page < pages && cursor !== null; page++) {
        const answer = await api.vms(cursor, signal)
        items.push(...answer.items)
        cursor = answer.nextCursor
      }
      return { items, more: cursor != null }
    },
    5000,
  )
  useEffect(() => {
    if (hasCode(error, 'not-signed-in')) forget()
  }, [error, forget])
  if (data === undefined) return error === undefined ? <ListSkeleton /> : <ErrorBox error={error} />
  if (data.items.length === 0) {
    return (
      <Empty
        title={t('my.empty.title')}
        text={t('my.empty.text', { address: shortAddress(address) })}
        action={{ href: '/', label: t('my.empty.action') }}
      />
    )
  }
  return (
    <>
      <ul className="grid gap-5">
        {data.items.map((vm) => (
          <li key={vm.vmId}>
            <VmCard vm={vm} />
          </li>
        ))}
      </ul>
      {data.more && (
        <Button look="secondary" onClick={() => setPages((n) => n + 1)}>
          {t('my.more')}
        </Button>
      )}
    </>
  )
}

function VmCard({ vm }: { vm: VmView }) {
  const { t, when, locale } = useTexts()
  const now = useNow()
  const s = vm.subscription
  const soon = timeNotice(vm, now) === 'ends-soon'
  const note = noteOf(vm)
  return (
    <article aria-labelledby={vm.vmId} className="space-y-4 rounded-2xl border border-line bg-card p-5 sm:p-7">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <h2 id={vm.vmId} className="min-w-0 text-xl font-semibold tracking-tight break-words">
          {vm.hostname}
        </h2>
        <Badge tone={stateTones[vm.state]}>{t(`state.${vm.state}`)}</Badge>
      </div>
      {note !== undefined && <p className="text-soft">{t(note)}</p>}
      {vm.formerHolder !== null && <p className="font-medium text-warn">{t('my.care')}</p>}
      {soon && <p className="font-medium text-warn">{t('my.endsSoon', { distance: distance(s.expiresAt, now, locale) })}</p>}
      <Facts
        facts={[
          { label: t('my.plan'), value: <bdi>{s.planName}</bdi> },
          ...(s.expiresAt > 0
            ? [{ label: t('my.ends'), value: when(s.expiresAt, now) }]
            : [{ label: t('vm.deadline'), value: when(s.activationDeadline, now) }]),
          { label: t('vm.holder'), value: <ShortAddress value={s.holder} /> },
        ]}
      />
      {vm.ssh !== null && <CopyField label={t('vm.ssh')} value={vm.ssh.command} />}
      <Link href={`/vms/${vm.vmId}`} className={linkButton}>
        {t('my.manage', { name: vm.hostname })}
      </Link>
    </article>
  )
}
