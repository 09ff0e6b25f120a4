'use client'
import type { TaskView } from '@freehold/appliance/api/schemas/tasks'
import Link from 'next/link'
import { useNow } from '../api/host-context.tsx'
import { clockLength } from '../format/time.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Card } from '../ui/Card.tsx'
import { Empty } from '../ui/Empty.tsx'
import { textLink } from '../ui/link-button.ts'
import { Badge, type Tone } from '../ui/Notice.tsx'
import { Table } from '../ui/Table.tsx'
import { taskName } from '../vms/task-name.ts'
import { MoreButton } from './MoreButton.tsx'
import { useMorePages } from './more-pages.ts'
import { operatorApi, type TasksPage as Page } from './operator-api.ts'
import { OperatorPage } from './OperatorPage.tsx'
import { shortSubject } from './short-subject.ts'

export const taskTones: Record<TaskView['state'], Tone> = {
  running: 'info',
  done: 'good',
  failed: 'bad',
  undone: 'warn',
  interrupted: 'warn',
}

/** `/operator/tasks`: all work of this host, newest first (X7). */
export function TasksPage() {
  const { t } = useTexts()
  return (
    <OperatorPage
      title={t('operator.nav.tasks')}
      behind={{ api: 'GET /v1/tasks', cli: 'freehold tasks' }}
      name="tasks"
      load={(signal) => operatorApi.tasks(undefined, undefined, signal)}
      everyMs={3000}
    >
      {(page) => <TaskList page={page} />}
    </OperatorPage>
  )
}

function TaskList({ page }: { page: Page }) {
  const { t, when } = useTexts()
  const now = useNow()
  const older = useMorePages(page.nextCursor, (cursor) => operatorApi.tasks(undefined, cursor))
  const newest = new Set(page.items.map((task) => task.taskId))
  const rows = [...page.items, ...older.older.filter((task) => !newest.has(task.taskId))]
  if (rows.length === 0) return <Empty title={t('operator.tasks.none.title')} text={t('operator.tasks.none.text')} />
  return (
    <Card className="space-y-5">
      <Table
        caption={t('operator.nav.tasks')}
        rows={rows}
        keyOf={(task) => task.taskId}
        columns={[
          {
            id: 'task',
            label: t('operator.tasks.task'),
            cell: (task) => (
              <Link href={`/operator/tasks/${task.taskId}`} className={textLink}>
                {t('operator.tasks.of', { kind: taskName(task.kind, t), subject: shortSubject(task.subject) })}
              </Link>
            ),
          },
          {
            id: 'state',
            label: t('operator.vms.state'),
            cell: (task) => <Badge tone={taskTones[task.state]}>{t(`operator.tasks.state.${task.state}`)}</Badge>,
          },
          { id: 'begun', label: t('operator.tasks.begun'), cell: (task) => when(task.createdAt, now) },
          {
            id: 'took',
            label: t('operator.tasks.took'),
            numeric: true,
            cell: (task) => clockLength((task.endedAt ?? now) - task.createdAt),
          },
        ]}
      />
      <MoreButton pages={older} />
    </Card>
  )
}
