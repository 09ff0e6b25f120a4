'use client'
import Link from 'next/link'
import { useState } from 'react'
import { useHost, useNow } from '../api/host-context.tsx'
import { useTexts } from '../i18n/text-context.tsx'
import type { MessageKey } from '../messages/catalogue.ts'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Facts } from '../ui/Facts.tsx'
import { textLink } from '../ui/link-button.ts'
import { Badge, Notice } from '../ui/Notice.tsx'
import { usePress } from '../ui/use-press.ts'
import { operatorApi, type Issues } from './operator-api.ts'
import { OperatorPage } from './OperatorPage.tsx'

type Issue = Issues[number]
const tones = { high: 'bad', medium: 'warn', low: 'info' } as const

/** Where an issue is set right: one press, or the page that does it. Others say in words what to do. */
const fixes: Partial<Record<string, { press: true } | { href: string; label: MessageKey }>> = {
  'destroys-waiting': { press: true },
  'plan-capacity': { href: '/operator/plans', label: 'operator.nav.plans' },
  'cluster-changed': { href: '/operator/plans', label: 'operator.nav.plans' },
  'provisioner-balance-low': { href: '/operator/money', label: 'operator.nav.money' },
  'not-provisioner': { href: '/operator/settings', label: 'operator.nav.settings' },
  'purchase-waiting': { href: '/operator/tasks', label: 'operator.nav.tasks' },
  'vm-work-failing': { href: '/operator/tasks', label: 'operator.nav.tasks' },
}

/** `/operator/issues`: what stands, what it means, what to do; each clears itself when its cause is gone (O4). */
export function IssuesPage() {
  const { t } = useTexts()
  return (
    <OperatorPage
      title={t('operator.nav.issues')}
      lead={t('operator.issues.lead')}
      behind={{ api: 'GET /v1/issues', cli: 'freehold issues' }}
      name="issues"
      load={operatorApi.issues}
      everyMs={5000}
    >
      {(issues, { reload }) =>
        issues.length === 0 ? (
          <Notice tone="good" title={t('operator.wrong.nothing')}>
            <p>{t('operator.issues.none')}</p>
          </Notice>
        ) : (
          <ul className="space-y-4">
            {issues.map((issue) => (
              <li key={`${issue.code} ${issue.subject}`}>
                <IssueCard issue={issue} reload={reload} />
              </li>
            ))}
          </ul>
        )
      }
    </OperatorPage>
  )
}

function IssueCard({ issue, reload }: { issue: Issue; reload(): void }) {
  const { t, when } = useTexts()
  const now = useNow()
  const isVm = /^[0-9a-f]{12}-\d+$/.test(issue.subject)
  const fix = fixes[issue.code]
  return (
    <Card className="space-y-4">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <CardTitle>{issue.title}</CardTitle>
        <Badge tone={tones[issue.severity]}>{t(`operator.severity.${issue.severity}`)}</Badge>
      </div>
      <p className="break-words">{issue.effect}</p>
      <p className="break-words">
        <span className="font-medium">{t('operator.issues.remedy')}</span> {issue.remedy}
      </p>
      <Facts
        facts={[
          { label: t('operator.issues.since'), value: when(issue.since, now) },
          {
            label: t('operator.issues.subject'),
            value: isVm ? (
              <Link href={`/vms/${issue.subject}`} className={textLink}>
                {issue.subject}
              </Link>
            ) : (
              issue.subject
            ),
          },
          { label: t('operator.issues.code'), value: <code className="font-mono text-sm">{issue.code}</code> },
        ]}
      />
      {fix !== undefined &&
        ('press' in fix ? (
          <FixButton issue={issue} reload={reload} />
        ) : (
          <Link href={fix.href} className={textLink}>
            {t('operator.issues.goTo', { page: t(fix.label) })}
          </Link>
        ))}
    </Card>
  )
}

function FixButton({ issue, reload }: { issue: Issue; reload(): void }) {
  const { t } = useTexts()
  const { lost } = useHost()
  const { busy, error, press } = usePress()
  const [done, setDone] = useState<string>()
  const allow = () =>
    press(async () => {
      setDone(await operatorApi.fix(issue.code))
      reload()
    })
  return (
    <div className="space-y-3">
      {error !== undefined && <ErrorBox error={error} focus />}
      {done !== undefined && (
        <Notice tone="good" live>
          <p>{done}</p>
        </Notice>
      )}
      <Button
        onClick={allow}
        busy={busy ? t('common.loading') : undefined}
        disabledReason={lost ? t('link.lost.reason') : undefined}
      >
        {t('operator.issues.allowDestroys')}
      </Button>
    </div>
  )
}
