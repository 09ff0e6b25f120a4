'use client'
import type { WasmOperatorView } from '@freehold/appliance/api/schemas/wasm'
import { useState } from 'react'
import { useNow } from '../api/host-context.tsx'
import { useResource } from '../api/use-resource.ts'
import { mebibytes } from '../format/size.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { SignedIn } from '../session/SignedIn.tsx'
import { Card, CardTitle, PageHeading } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Facts } from '../ui/Facts.tsx'
import { Badge } from '../ui/Notice.tsx'
import { Waiting } from '../ui/Waiting.tsx'
import { KeyList } from './KeyList.tsx'
import { wasmApi } from './wasm-api.ts'

/** `/wasm/operator`: executions, errors by type, capacity, keys. */
export function OperatorPage() {
  const { t } = useTexts()
  return (
    <div className="space-y-8">
      <PageHeading title={t('wasm.operator.title')} lead={t('wasm.operator.lead')} />
      <SignedIn why={t('wasm.operator.signedOut')} waiting={<Waiting />}>
        {({ sessionId }) => <Overview sessionId={sessionId} />}
      </SignedIn>
    </div>
  )
}

function Overview({ sessionId }: { sessionId: string }) {
  const { t, locale } = useTexts()
  const now = useNow()
  const { data, error, reload } = useResource(`wasm-operator ${sessionId}`, wasmApi.operator, 5000)
  const [failed, setFailed] = useState<unknown>()
  if (data === undefined) return error === undefined ? <Waiting /> : <ErrorBox error={error} />
  const number = (value: number) => new Intl.NumberFormat(locale).format(value)
  const { capacity, memory, executors, receipts } = data
  return (
    <>
      <Card className="space-y-4">
        <div className="flex flex-wrap items-center justify-between gap-3">
          <CardTitle>{t('wasm.operator.capacity')}</CardTitle>
          <Health status={data.status} />
        </div>
        <Facts
          facts={[
            {
              label: t('wasm.operator.running'),
              value: t('wasm.usage.of', { used: number(capacity.inFlight), all: number(capacity.max) }),
            },
            { label: t('wasm.operator.waiting'), value: number(capacity.queued) },
            {
              label: t('wasm.operator.memory'),
              value: t('wasm.usage.of', {
                used: mebibytes(Math.ceil(memory.admittedBytes / 2 ** 20), locale),
                all: mebibytes(Math.floor(memory.bytes / 2 ** 20), locale),
              }),
            },
            { label: t('wasm.operator.executors'), value: t('wasm.operator.executors.of', executors) },
            { label: t('wasm.operator.log'), value: number(receipts.total) },
            { label: t('wasm.operator.subscriptions'), value: number(data.subscriptions) },
          ]}
        />
      </Card>
      <Counts
        title={t('wasm.operator.outcomes')}
        empty={t('wasm.operator.outcomes.empty')}
        rows={data.outcomes.map(({ code, runs, gas }) => ({ code, count: runs, gas }))}
      />
      <Counts title={t('wasm.operator.refused')} empty={t('wasm.operator.refused.empty')} rows={data.refused} />
      <Card className="space-y-4">
        <CardTitle>{t('wasm.keys')}</CardTitle>
        {failed !== undefined && <ErrorBox error={failed} focus />}
        <KeyList
          keys={data.keys}
          now={now}
          owners
          onRevoke={(id) => {
            setFailed(undefined)
            void wasmApi.revokeAny(id).then(reload, setFailed)
          }}
        />
      </Card>
    </>
  )
}

function Health({ status }: { status: string }) {
  const { t } = useTexts()
  if (status === 'ok') return <Badge tone="good">{t('wasm.operator.status.ok')}</Badge>
  return (
    <Badge tone="warn">
      {status === 'overloaded' ? t('wasm.operator.status.overloaded') : t('wasm.operator.status.degraded')}
    </Badge>
  )
}

function Counts({
  title,
  empty,
  rows,
}: {
  title: string
  empty: string
  rows: readonly { code: WasmOperatorView['outcomes'][number]['code']; count: number; gas?: string }[]
}) {
  const { t, locale } = useTexts()
  const number = (value: number | bigint) => new Intl.NumberFormat(locale).format(value)
  const withGas = rows.some((row) => row.gas !== undefined)
  return (
    <Card className="space-y-4">
      <CardTitle>{title}</CardTitle>
      {rows.length === 0 ? (
        <p className="text-soft">{empty}</p>
      ) : (
        <table className="w-full text-left">
          <caption className="sr-only">{title}</caption>
          <thead>
            <tr className="border-b border-line text-sm text-soft">
              <th scope="col" className="py-2 pr-3 font-normal">
                {t('wasm.operator.code')}
              </th>
              <th scope="col" className="py-2 pr-3 text-right font-normal">
                {t('wasm.operator.count')}
              </th>
              {withGas && (
                <th scope="col" className="py-2 text-right font-normal">
                  {t('wasm.operator.gas')}
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.code} className="border-b border-line">
                <th scope="row" className="py-2 pr-3 font-mono text-sm font-normal break-all">
                  {row.code}
                </th>
                <td className="tabular py-2 pr-3 text-right">{number(row.count)}</td>
                {withGas && <td className="tabular py-2 text-right break-all">{number(BigInt(row.gas ?? '0'))}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  )
}
