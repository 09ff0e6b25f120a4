'use client'
import type { Purchase } from '@freehold/appliance/api/schemas/vms'
import { useTexts } from '../i18n/text-context.tsx'
import { classes } from '../ui/classes.ts'

type StepState = 'done' | 'running' | 'waiting' | 'failed'

/** Which of the four steps is where, from what the host says of the purchase. Pure. */
export function stepStates(state: Purchase['state']): readonly [StepState, StepState, StepState, StepState] {
  switch (state) {
    case 'unknown':
    case 'seen':
      return ['done', 'running', 'waiting', 'waiting']
    case 'confirmed':
    case 'preparing':
      return ['done', 'done', 'running', 'waiting']
    case 'ready':
      return ['done', 'done', 'done', 'done']
    case 'rejected':
    case 'refundable':
      return ['done', 'done', 'failed', 'waiting']
    case 'failed':
      return ['done', 'failed', 'waiting', 'waiting']
  }
}

const marks: Record<StepState, { sign: string; ring: string }> = {
  done: { sign: '✓', ring: 'border-brand bg-brand text-on-brand' },
  running: { sign: '', ring: 'border-brand text-brand' },
  waiting: { sign: '', ring: 'border-edge text-soft' },
  failed: { sign: '×', ring: 'border-bad bg-bad text-on-bad' },
}

/** *Signed → payment confirmed → preparing → ready*, the present one announced as it changes (S6). */
export function ProgressSteps({ purchase, phase }: { purchase: Purchase; phase: string | undefined }) {
  const { t } = useTexts()
  const states = stepStates(purchase.state)
  const steps = [
    { name: t('progress.signed'), detail: undefined },
    {
      name: t('progress.confirmed'),
      detail:
        states[1] === 'running'
          ? t('progress.confirmations', { have: purchase.confirmations, need: purchase.confirmationsNeeded })
          : undefined,
    },
    { name: t('progress.preparing'), detail: states[2] === 'running' ? phase : undefined },
    { name: t('progress.ready'), detail: undefined },
  ]
  const now = states.findIndex((s) => s === 'running' || s === 'failed')
  return (
    <>
      <ol className="space-y-1">
        {steps.map(({ name, detail }, index) => {
          const state = states[index] ?? 'waiting'
          return (
            <li key={name} aria-current={state === 'running' ? 'step' : undefined} className="flex gap-4">
              <span className="flex flex-col items-center">
                <span
                  aria-hidden="true"
                  className={classes(
                    'flex size-7 items-center justify-center rounded-full border-2 text-sm font-bold',
                    marks[state].ring,
                  )}
                >
                  {state === 'running' ? <span className="size-2.5 animate-pulse rounded-full bg-current" /> : marks[state].sign}
                </span>
                {index < 3 && (
                  <span aria-hidden="true" className={classes('my-1 w-0.5 flex-1', state === 'done' ? 'bg-brand' : 'bg-line')} />
                )}
              </span>
              <span className="min-h-14 pb-3">
                <span className={classes('block', state === 'waiting' ? 'text-soft' : 'font-medium')}>
                  {name} <span className="text-sm font-normal text-soft">({t(`progress.state.${state}`)})</span>
                </span>
                {detail !== undefined && <span className="block text-sm text-soft">{detail}</span>}
              </span>
            </li>
          )
        })}
      </ol>
      <p role="status" className="sr-only">
        {now >= 0 ? [steps[now]?.name, steps[now]?.detail].filter(Boolean).join(': ') : ''}
      </p>
    </>
  )
}
