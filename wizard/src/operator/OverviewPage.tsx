'use client'
import type { Overview } from '@freehold/appliance/api/schemas/operator'
import Link from 'next/link'
import { useNow } from '../api/host-context.tsx'
import { useTexts } from '../i18n/text-context.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { Badge, Notice } from '../ui/Notice.tsx'
import { Table } from '../ui/Table.tsx'
import { taskName } from '../vms/task-name.ts'
import { stateTones } from '../vms/vm-texts.ts'
import { operatorApi } from './operator-api.ts'
import { textLink } from '../ui/link-button.ts'
import { OperatorPage } from './OperatorPage.tsx'
import { shortSubject } from './short-subject.ts'
import { useVmColumns } from './use-vm-columns.tsx'

/** `/operator`: is anything wrong, who rents what, what ends soon (O2). */
export function OverviewPage() {
  const { t } = useTexts()
  return (
    <OperatorPage
      title={t('operator.nav.overview')}
      behind={{ api: 'GET /v1/overview', cli: 'freehold status' }}
      name="overview"
      load={operatorApi.overview}
      everyMs={5000}
    >
      {(overview) => (
        <>
          <Wrong overview={overview} />
          <Rented overview={overview} />
          <Ending overview={overview} />
        </>
      )}
    </OperatorPage>
  )
}

function Wrong({ overview: { issues, failedTasks } }: { overview: Overview }) {
  const { host, t } = useTexts()
  const bad = issues.high + issues.medium + issues.low
  const tone = issues.high > 0 ? 'bad' : issues.medium > 0 ? 'warn' : bad > 0 ? 'info' : 'good'
  return (
    <Card className="space-y-4">
      <CardTitle>{t('operator.wrong.title')}</CardTitle>
      <Notice tone={tone} title={bad === 0 ? t('operator.wrong.nothing') : t('operator.wrong.issues', { count: bad })}>
        {bad > 0 && (
          <>
            <p>{t('operator.wrong.bySeverity', issues)}</p>
            <Link href="/operator/issues" className={textLink}>
              {t('operator.wrong.see')}
            </Link>
          </>
        )}
      </Notice>
      {failedTasks.length > 0 && (
        <div className="space-y-2">
          <h3 className="font-medium">{t('operator.wrong.tasks')}</h3>
          <ul className="space-y-2">
            {failedTasks.map((task) => (
              <li key={task.taskId} className="flex flex-wrap items-baseline gap-x-3">
                <Link href={`/operator/tasks/${task.taskId}`} className={textLink}>
                  {t('operator.tasks.of', { kind: taskName(task.kind, t), subject: shortSubject(task.subject) })}
                </Link>
                <span className="text-soft">
                  {task.error === null ? t(`operator.tasks.state.${task.state}`) : host(task.error.title)}
                </span>
              </li>
            ))}
          </ul>
        </div>
      )}
    </Card>
  )
}

function Rented({ overview: { vms, plans } }: { overview: Overview }) {
  const { t } = useTexts()
  return (
    <Card className="space-y-4">
      <CardTitle>{t('operator.rented.title')}</CardTitle>
      <p>
        {t('operator.rented.vms', { count: vms.total })}, {t('operator.rented.subscribers', { count: vms.subscribers })}.{' '}
        <Link href="/operator/vms" className={textLink}>
          {t('operator.rented.see')}
        </Link>
      </p>
      <ul className="flex flex-wrap gap-2">
        {vms.byState.map(({ state, count }) => (
          <li key={state}>
            <Link href={`/operator/vms?state=${state}`} className="rounded-full">
              <Badge tone={stateTones[state]}>{t('operator.rented.state', { state: t(`state.${state}`), count })}</Badge>
            </Link>
          </li>
        ))}
      </ul>
      <ul className="space-y-3">
        {plans.map(({ planId, name, used, capacity }) => (
          <li key={planId}>
            <div className="flex flex-wrap justify-between gap-3">
              <bdi className="min-w-0 break-words">{name}</bdi>
              <span className="tabular text-soft">{t('operator.rented.places', { used, capacity })}</span>
            </div>
            <div aria-hidden="true" className="mt-1 h-2 overflow-hidden rounded-full bg-sunk">
              <div
                className="forced-edge h-full rounded-full bg-brand"
                style={{ width: `${capacity === 0 ? 0 : Math.min(100, (100 * used) / capacity)}%` }}
              />
            </div>
          </li>
        ))}
      </ul>
    </Card>
  )
}

function Ending({ overview: { endsSoon, endsSoonTotal } }: { overview: Overview }) {
  const { t, when } = useTexts()
  const now = useNow()
  const columns = useVmColumns<Overview['endsSoon'][number]>()
  return (
    <Card className="space-y-4">
      <CardTitle>{t('operator.ending.title')}</CardTitle>
      {endsSoon.length === 0 ? (
        <p className="text-soft">{t('operator.ending.nothing')}</p>
      ) : (
        <Table
          caption={t('operator.ending.title')}
          rows={endsSoon}
          keyOf={(row) => row.vmId}
          columns={[
            columns.vm,
            columns.plan,
            columns.holder,
            {
              id: 'ends',
              label: t('vm.ends'),
              cell: (row) =>
                row.entitlement === 'active'
                  ? when(row.expiresAt, now)
                  : t(row.graceEndsAt > now ? 'operator.ending.kept' : 'operator.ending.past', {
                      when: when(row.graceEndsAt, now),
                    }),
            },
          ]}
        />
      )}
      {endsSoonTotal > endsSoon.length && (
        <p className="text-soft">{t('operator.ending.more', { count: endsSoonTotal - endsSoon.length })}</p>
      )}
    </Card>
  )
}
