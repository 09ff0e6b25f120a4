'use client'
import { useEffect, useState } from 'react'
import type { VmMetricsView } from '@freehold/appliance/api/schemas/operator'
import { useResource } from '../api/use-resource.ts'
import { utcClock } from '../format/time.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { operatorApi } from '../operator/operator-api.ts'
import { Card, CardTitle } from '../ui/Card.tsx'
import { LineChart } from '../ui/LineChart.tsx'
import { Table } from '../ui/Table.tsx'
import { ratesOf, type Rates } from './rates.ts'

const kept = 60

/** What a VM uses, drawn while the page is open, with the newest numbers in a table beside it. */
export function Metrics({ vmId }: { vmId: string }) {
  const { t, locale } = useTexts()
  const { data, error } = useResource(`metrics ${vmId}`, (signal) => operatorApi.vmMetrics(vmId, signal), 5000)
  const [samples, setSamples] = useState<readonly VmMetricsView[]>([])
  useEffect(() => {
    if (data !== undefined) setSamples((list) => (list.at(-1)?.at === data.at ? list : [...list, data].slice(-kept)))
  }, [data])
  const rates = ratesOf(samples)
  const number = (value: number | null, digits = 1) =>
    value === null ? t('metrics.none') : new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value)
  const lines = ['cpuPercent', 'memoryMiB', 'diskKiBps', 'networkKiBps'] as const satisfies readonly (keyof Rates)[]
  return (
    <Card className="space-y-5">
      <div>
        <CardTitle>{t('metrics.title')}</CardTitle>
        <p className="mt-1 text-soft">{t('metrics.text')}</p>
      </div>
      {samples.length === 0 ? (
        <p className="text-soft">{error === undefined ? t('common.loading') : t('metrics.failed')}</p>
      ) : (
        <>
          <div className="grid gap-5 sm:grid-cols-2">
            {lines.map((name) => {
              const values = rates.map((r) => r[name])
              const known = values.filter((v) => v !== null)
              return (
                <LineChart
                  key={name}
                  title={t(`metrics.${name}`)}
                  values={values}
                  summary={
                    known.length === 0
                      ? t(rates.length === 0 ? 'metrics.first' : 'metrics.none')
                      : t('metrics.summary', {
                          now: number(known.at(-1) ?? null),
                          min: number(Math.min(...known)),
                          max: number(Math.max(...known)),
                        })
                  }
                />
              )
            })}
          </div>
          {rates.length > 0 && (
            <Table
              caption={t('metrics.table')}
              rows={rates.slice(-5).toReversed()}
              keyOf={(row) => String(row.at)}
              columns={[
                { id: 'at', label: t('metrics.at'), cell: (row) => t('common.zone', { time: utcClock(row.at, locale) }) },
                ...lines.map((name) => ({
                  id: name,
                  label: t(`metrics.${name}`),
                  numeric: true,
                  cell: (row: Rates) => number(row[name]),
                })),
              ]}
            />
          )}
        </>
      )}
    </Card>
  )
}
