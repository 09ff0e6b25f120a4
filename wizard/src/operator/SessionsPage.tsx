'use client'
import type { SessionView } from '@freehold/appliance/api/schemas/sign-in'
import { useHost, useNow } from '../api/host-context.tsx'
import { api } from '../api/resources.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { useSession } from '../session/session-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Card } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Badge } from '../ui/Notice.tsx'
import { Table } from '../ui/Table.tsx'
import { usePress } from '../ui/use-press.ts'
import { OperatorPage } from './OperatorPage.tsx'

/** `/operator/sessions`: open logins with place and age, each ended by itself (O5). */
export function SessionsPage() {
  const { t } = useTexts()
  return (
    <OperatorPage
      title={t('operator.nav.sessions')}
      lead={t('operator.sessions.lead')}
      behind={{ api: 'GET /v1/sessions' }}
      name="own-sessions"
      load={api.sessions}
      everyMs={10_000}
    >
      {(sessions, { reload }) => <List sessions={sessions} reload={reload} />}
    </OperatorPage>
  )
}

function List({ sessions, reload }: { sessions: readonly SessionView[]; reload(): void }) {
  const { t, when } = useTexts()
  const now = useNow()
  const { lost } = useHost()
  const { forget } = useSession()
  const { at: ending, error, press } = usePress()
  const end = ({ sessionId, current }: SessionView) =>
    press(async () => {
      await api.endSession(sessionId)
      if (current) forget()
      else reload()
    }, sessionId)
  return (
    <Card className="space-y-4">
      {error !== undefined && <ErrorBox error={error} focus />}
      <Table
        caption={t('operator.nav.sessions')}
        rows={sessions}
        keyOf={(row) => row.sessionId}
        columns={[
          {
            id: 'place',
            label: t('operator.sessions.place'),
            cell: (row) => (
              <span className="inline-flex flex-wrap items-center gap-2">
                {row.source}
                {row.current && <Badge tone="good">{t('operator.sessions.this')}</Badge>}
              </span>
            ),
          },
          { id: 'begun', label: t('operator.tasks.begun'), cell: (row) => when(row.createdAt, now) },
          { id: 'until', label: t('vm.ends'), cell: (row) => when(row.expiresAt, now) },
          {
            id: 'end',
            label: t('vm.actions'),
            cell: (row) => (
              <Button
                look="secondary"
                onClick={() => end(row)}
                busy={ending === row.sessionId ? t('common.loading') : undefined}
                disabledReason={lost ? t('link.lost.reason') : undefined}
              >
                {t('operator.sessions.end', { place: row.source })}
              </Button>
            ),
          },
        ]}
      />
    </Card>
  )
}
