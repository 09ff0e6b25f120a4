'use client'
import Link from 'next/link'
import { useState } from 'react'
import { useNow } from '../api/host-context.tsx'
import { useTexts } from '../i18n/text-context.tsx'
import type { MessageKey } from '../messages/catalogue.ts'
import { Card, CardTitle } from '../ui/Card.tsx'
import { Facts } from '../ui/Facts.tsx'
import { textLink } from '../ui/link-button.ts'
import { Badge, Notice } from '../ui/Notice.tsx'
import { AllowDestroys } from './AllowDestroys.tsx'
import { operatorApi, type Issues } from './operator-api.ts'
import { OperatorPage } from './OperatorPage.tsx'
import { VmLink } from './VmLink.tsx'

type Issue = Issues[number]
const tones = { high: 'bad', medium: 'warn', low: 'info' } as const

/** Where an issue is set right: here with a plan, or on the page that does it. Others say in words what to do. */
const fixes: Partial<Record<string, 'here' | { href: string; label: MessageKey }>> = {
  'destroys-waiting': 'here',
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
  // stays when the card that it was pressed in has gone with its issue
  const [done, setDone] = useState<string>()
  return (
    <OperatorPage
      title={t('operator.nav.issues')}
      lead={t('operator.issues.lead')}
      behind={{ api: 'GET /v1/issues', cli: 'freehold issues' }}
      name="issues"
      load={operatorApi.issues}
      everyMs={5000}
    >
      {(issues, { reload }) => (
        <>
          {done !== undefined && (
            <Notice tone="good" live>
              <p>{done}</p>
            </Notice>
          )}
          {issues.length === 0 ? (
            <Notice tone="good" title={t('operator.wrong.nothing')}>
              <p>{t('operator.issues.none')}</p>
            </Notice>
          ) : (
            <ul className="space-y-4">
              {issues.map((issue) => (
                <li key={`${issue.code} ${issue.subject}`}>
                  <IssueCard
                    issue={issue}
                    alike={issues.filter(({ code }) => code === issue.code)}
                    onDone={(text) => {
                      setDone(text)
                      reload()
                    }}
                  />
                </li>
              ))}
            </ul>
          )}
        </>
      )}
    </OperatorPage>
  )
}

function IssueCard({ issue, alike, onDone }: { issue: Issue; alike: Issues; onDone(text: string): void }) {
  const { hostLang, t, when } = useTexts()
  const now = useNow()
  const isVm = /^[0-9a-f]{12}-\d+$/.test(issue.subject)
  const fix = fixes[issue.code]
  return (
    <Card className="space-y-4">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <CardTitle>
          <span lang={hostLang}>{issue.title}</span>
        </CardTitle>
        <Badge tone={tones[issue.severity]}>{t(`operator.severity.${issue.severity}`)}</Badge>
      </div>
      <p className="break-words" lang={hostLang}>
        {issue.effect}
      </p>
      <p className="break-words">
        <span className="font-medium">{t('operator.issues.remedy')}</span> <span lang={hostLang}>{issue.remedy}</span>
      </p>
      <Facts
        facts={[
          { label: t('operator.issues.since'), value: when(issue.since, now) },
          {
            label: t('operator.issues.subject'),
            value: isVm ? <VmLink vmId={issue.subject} /> : issue.subject,
          },
          { label: t('operator.issues.code'), value: <code className="font-mono text-sm">{issue.code}</code> },
        ]}
      />
      {fix !== undefined &&
        (fix === 'here' ? (
          <AllowDestroys waiting={alike} onDone={onDone} />
        ) : (
          <Link href={fix.href} className={textLink}>
            {t('operator.issues.goTo', { page: t(fix.label) })}
          </Link>
        ))}
    </Card>
  )
}
