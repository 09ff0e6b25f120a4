'use client'
import type { VmView } from '@freehold/appliance/api/schemas/vms'
import { useNow } from '../api/host-context.tsx'
import { clockLength } from '../format/time.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Notice } from '../ui/Notice.tsx'
import { phaseText } from './phase-text.ts'
import { taskName } from './task-name.ts'

/** The work that goes on, which no page can cancel by leaving (X7). */
export function TaskLine({ task }: { task: NonNullable<VmView['task']> }) {
  const { host, hostLang, t } = useTexts()
  const now = useNow()
  const step = task.steps.find((s) => s.state === 'running')
  if (task.state === 'done') return null
  const kind = taskName(task.kind, t)
  return (
    <Notice title={t('vm.task')} tone={task.state === 'failed' ? 'bad' : 'info'}>
      <p className="tabular">{t('vm.task.kind', { kind, time: clockLength((task.endedAt ?? now) - task.createdAt) })}</p>
      {step !== undefined && (
        <p>
          {t('vm.task.step', {
            step: task.steps.indexOf(step) + 1,
            of: task.steps.length,
            phase: phaseText(step.phase ?? step.name, t, task.kind),
          })}
        </p>
      )}
      {task.error !== null && (
        <p>
          {host(task.error.title)}: <span lang={hostLang}>{task.error.detail}</span> {host(task.error.hint)}{' '}
          <code className="font-mono text-sm">{task.error.code}</code>
        </p>
      )}
    </Notice>
  )
}
