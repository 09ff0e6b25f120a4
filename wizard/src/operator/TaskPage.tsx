'use client'
import { taskSchema, type TaskView } from '@freehold/appliance/api/schemas/tasks'
import { useEffect, useRef, useState } from 'react'
import { useNow } from '../api/host-context.tsx'
import { clockLength, utcClock } from '../format/time.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { stepText } from '../setup/step-text.ts'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { CopyButton } from '../ui/Copy.tsx'
import { Facts } from '../ui/Facts.tsx'
import { textLink } from '../ui/link-button.ts'
import { Badge, Notice } from '../ui/Notice.tsx'
import { phaseName } from '../vms/phase-text.ts'
import { taskName } from '../vms/task-name.ts'
import { operatorApi } from './operator-api.ts'
import { OperatorPage } from './OperatorPage.tsx'
import { shortSubject } from './short-subject.ts'
import { taskTones } from './TasksPage.tsx'
import { VmLink } from './VmLink.tsx'

interface Line {
  at: number
  line: string
}

/** `/operator/tasks/[taskId]`: one piece of work, its steps and its log as it is written (X7). */
export function TaskPage({ taskId }: { taskId: string }) {
  const { t } = useTexts()
  return (
    <OperatorPage
      title={t('operator.tasks.task')}
      behind={{ api: `GET /v1/tasks/${taskId}/events`, cli: `freehold log ${taskId}` }}
      name={`task ${taskId}`}
      load={(signal) => operatorApi.task(taskId, signal)}
    >
      {(task) => <Task first={task} />}
    </OperatorPage>
  )
}

/** Follows the events of a task; they begin with the whole log, so a broken line loses nothing. */
function useTaskEvents(first: TaskView): { task: TaskView; lines: readonly Line[] } {
  const [task, setTask] = useState(first)
  const [lines, setLines] = useState<readonly Line[]>([])
  useEffect(() => {
    const events = new EventSource(`/v1/tasks/${encodeURIComponent(first.taskId)}/events`)
    let fresh: Line[] = []
    events.addEventListener('open', () => (fresh = []))
    events.addEventListener('log', (event) => {
      fresh = [...fresh, JSON.parse(event.data) as Line]
      setLines(fresh)
    })
    events.addEventListener('task', (event) => {
      const parsed = taskSchema.safeParse(JSON.parse(event.data))
      if (!parsed.success) return
      setTask(parsed.data)
      // the host ends the stream with the task; a browser would begin it again
      if (parsed.data.state !== 'running') events.close()
    })
    return () => events.close()
  }, [first.taskId])
  return { task, lines }
}

function Task({ first }: { first: TaskView }) {
  const { host, hostLang, t, when, locale } = useTexts()
  const now = useNow()
  const { task, lines } = useTaskEvents(first)
  const isVm = /^[0-9a-f]{12}-\d+$/.test(task.subject)
  const nameOf = (step: string) => (task.kind === 'setup' ? stepText(step, t) : (phaseName(step, t, task.kind) ?? step))
  return (
    <>
      <Card className="space-y-4">
        <div className="flex flex-wrap items-center justify-between gap-3">
          <CardTitle>{t('operator.tasks.of', { kind: taskName(task.kind, t), subject: shortSubject(task.subject) })}</CardTitle>
          <span role="status">
            <Badge tone={taskTones[task.state]}>{t(`operator.tasks.state.${task.state}`)}</Badge>
          </span>
        </div>
        {task.error !== null && (
          <Notice tone="bad" title={host(task.error.title)}>
            <p lang={hostLang}>{task.error.detail}</p>
            <p>{host(task.error.hint)}</p>
            <p className="text-sm text-soft">
              <code className="font-mono">{task.error.code}</code>
            </p>
          </Notice>
        )}
        <Facts
          facts={[
            { label: t('operator.tasks.id'), value: <code className="font-mono text-sm">{task.taskId}</code> },
            { label: t('operator.tasks.begun'), value: when(task.createdAt, now) },
            { label: t('operator.tasks.took'), value: clockLength((task.endedAt ?? now) - task.createdAt) },
            { label: t('operator.tasks.attempt'), value: new Intl.NumberFormat(locale).format(task.attempt) },
            ...(isVm
              ? [
                  {
                    label: t('operator.vm'),
                    value: <VmLink vmId={task.subject} />,
                  },
                ]
              : []),
          ]}
        />
        {task.steps.length > 0 && (
          <ol className="space-y-1">
            {task.steps.map((step) => (
              <li key={step.name} className="flex flex-wrap justify-between gap-3">
                <span>
                  {nameOf(step.name)}
                  {step.phase !== null && <span className="text-soft"> · {nameOf(step.phase)}</span>}
                </span>
                <span className="tabular text-soft">
                  {t(`operator.step.${step.state}`)}
                  {step.startedAt !== null && `, ${clockLength((step.endedAt ?? now) - step.startedAt)}`}
                </span>
              </li>
            ))}
          </ol>
        )}
      </Card>
      <Log lines={lines} live={task.state === 'running'} name={task.taskId} />
    </>
  )
}

/** Follows the newest line until somebody scrolls up; not read out line by line (X13, X17). */
function Log({ lines, live, name }: { lines: readonly Line[]; live: boolean; name: string }) {
  const { t, locale } = useTexts()
  const box = useRef<HTMLPreElement>(null)
  const [follows, setFollows] = useState(true)
  useEffect(() => {
    if (follows && box.current !== null) box.current.scrollTop = box.current.scrollHeight
  }, [lines, follows])
  const text = lines.map(({ at, line }) => `${t('common.zone', { time: utcClock(at, locale) })} ${line}`).join('\n')
  return (
    <Card className="space-y-3">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <CardTitle>{t('operator.log')}</CardTitle>
        <span className="flex flex-wrap items-center gap-2">
          <CopyButton value={text} what={t('operator.log')} />
          <a className={textLink} download={`${name}.log`} href={`data:text/plain;charset=utf-8,${encodeURIComponent(text)}`}>
            {t('operator.log.download')}
          </a>
        </span>
      </div>
      {lines.length === 0 ? (
        <p className="text-soft">{live ? t('operator.log.waiting') : t('operator.log.empty')}</p>
      ) : (
        /* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a box that scrolls must be reachable by keyboard */
        <pre
          ref={box}
          tabIndex={0}
          role="group"
          aria-label={t('operator.log')}
          onScroll={({ currentTarget: e }) => setFollows(e.scrollHeight - e.scrollTop - e.clientHeight < 8)}
          className="max-h-96 overflow-auto rounded-lg border border-line bg-sunk px-3 py-2.5 font-mono text-sm"
        >
          {text}
        </pre>
      )}
      {live && !follows && (
        <Button look="secondary" onClick={() => setFollows(true)}>
          {t('operator.log.follow')}
        </Button>
      )}
    </Card>
  )
}
