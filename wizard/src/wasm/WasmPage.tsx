'use client'
import type { WasmView } from '@freehold/appliance/api/schemas/wasm'
import Link from 'next/link'
import { useEffect } from 'react'
import { hasCode } from '../api/failure.ts'
import { useResource } from '../api/use-resource.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { SignedIn } from '../session/SignedIn.tsx'
import { useSession } from '../session/session-context.tsx'
import { Card, CardTitle, PageHeading } from '../ui/Card.tsx'
import { CopyField } from '../ui/Copy.tsx'
import { Empty } from '../ui/Empty.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Facts } from '../ui/Facts.tsx'
import { Badge, Notice } from '../ui/Notice.tsx'
import { Waiting } from '../ui/Waiting.tsx'
import { CheckReceipt } from './CheckReceipt.tsx'
import { Keys } from './Keys.tsx'
import { Receipts } from './Receipts.tsx'
import { wasmApi } from './wasm-api.ts'

/** `/wasm`: usage, keys and receipts of whoever signed in; a receipt is checked without. */
export function WasmPage() {
  const { t } = useTexts()
  return (
    <div className="space-y-8">
      <PageHeading title={t('wasm.title')} lead={t('wasm.lead')} />
      <Notice>
        <p>{t('wasm.honest')}</p>
      </Notice>
      <SignedIn why={t('wasm.signedOut')} waiting={<Waiting />}>
        {({ sessionId }) => <Own sessionId={sessionId} />}
      </SignedIn>
      <CheckReceipt />
      <p>
        <Link href="/wasm/operator" className="text-brand underline underline-offset-4">
          {t('wasm.operator.link')}
        </Link>
      </p>
    </div>
  )
}

function Own({ sessionId }: { sessionId: string }) {
  const { t } = useTexts()
  const { forget } = useSession()
  const { data, error, reload } = useResource(`wasm ${sessionId}`, wasmApi.own, 5000)
  useEffect(() => {
    if (hasCode(error, 'not-signed-in')) forget()
  }, [error, forget])
  if (data === undefined) return error === undefined ? <Waiting /> : <ErrorBox error={error} />
  return (
    <>
      <section aria-labelledby="usage" className="space-y-4">
        <CardTitle id="usage">{t('wasm.usage')}</CardTitle>
        <Usage view={data} />
      </section>
      <Card className="space-y-4">
        <CopyField label={t('wasm.url')} value={data.url} />
        <CopyField label={t('wasm.command')} value="freehold wasm run program.wasm main 42" />
      </Card>
      <Keys keys={data.keys} now={data.now} changed={reload} />
      <Receipts sessionId={sessionId} />
    </>
  )
}

function Usage({ view }: { view: WasmView }) {
  const { t, when, locale } = useTexts()
  const amount = (gas: string) => new Intl.NumberFormat(locale).format(BigInt(gas))
  const gas = (used: string, all: string) => t('wasm.usage.of', { used: amount(used), all: amount(all) })
  if (view.subscriptions.length === 0 && view.freeGasPerDay === '0') {
    return (
      <Empty
        title={t('wasm.usage.empty.title')}
        text={t('wasm.usage.empty.text')}
        action={{ href: '/', label: t('wasm.usage.empty.action') }}
      />
    )
  }
  return (
    <ul className="grid gap-5">
      {view.subscriptions.map((s) => (
        <li key={s.vmId} className="space-y-3 rounded-2xl border border-line bg-card p-5 sm:p-7">
          <div className="flex flex-wrap items-center justify-between gap-3">
            <h3 className="text-lg font-semibold">
              <bdi>{s.planName}</bdi>
            </h3>
            <Badge tone={s.state === 'active' ? 'good' : s.state === 'pending' ? 'info' : 'warn'}>
              {t(`wasm.state.${s.state}`)}
            </Badge>
          </div>
          <Meter label={t('wasm.usage.gas')} used={s.usedToday} all={s.gasPerDay} text={gas(s.usedToday, s.gasPerDay)} />
          <Facts
            facts={[
              { label: t('wasm.usage.runs'), value: new Intl.NumberFormat(locale).format(s.runsToday) },
              { label: t('wasm.usage.renewed'), value: when(view.nextDayAt, view.now) },
              ...(s.until === null ? [] : [{ label: t('wasm.usage.until'), value: when(s.until, view.now) }]),
            ]}
          />
          <Link href={`/vms/${s.vmId}`} className="text-brand underline underline-offset-4">
            {t('wasm.extend')}
          </Link>
        </li>
      ))}
      {view.freeGasPerDay !== '0' && (
        <li className="rounded-2xl border border-line bg-card p-5 sm:p-7">
          <Meter
            label={t('wasm.usage.free')}
            used={view.freeUsedToday}
            all={view.freeGasPerDay}
            text={gas(view.freeUsedToday, view.freeGasPerDay)}
          />
        </li>
      )}
    </ul>
  )
}

/** A bar that says its numbers as well. */
function Meter({ label, used, all, text }: { label: string; used: string; all: string; text: string }) {
  const share = BigInt(all) === 0n ? 100 : Math.min(100, Number((BigInt(used) * 1000n) / BigInt(all)) / 10)
  return (
    <div>
      <p className="flex flex-wrap justify-between gap-x-4">
        <span>{label}</span>
        <span className="tabular font-medium">{text}</span>
      </p>
      <div
        role="progressbar"
        aria-label={label}
        aria-valuenow={share}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuetext={text}
        className="mt-2 h-2 overflow-hidden rounded-full border border-edge bg-sunk"
      >
        <div className="h-full bg-brand" style={{ width: `${share}%` }} />
      </div>
    </div>
  )
}
