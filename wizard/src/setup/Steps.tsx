'use client'
import { useTexts } from '../i18n/text-context.tsx'
import { classes } from '../ui/classes.ts'
import type { SectionName, WizardView } from './resources.ts'

export type Place = SectionName | 'review' | 'run'

/** Where setup stands: every page can be gone back to without loss (W7). */
export function Steps({ view, place, onGo }: { view: WizardView; place: Place; onGo(to: Place): void }) {
  const { t } = useTexts()
  const running = view.next === 'run'
  const settled = view.sections.every((section) => section.state === 'answered')
  const rows: { name: Place; state: 'open' | 'answered' | 'check-again' | 'later' }[] = [
    ...view.sections.map(({ name, state }) => ({ name: name as Place, state })),
    { name: 'review', state: settled ? 'open' : 'later' },
    { name: 'run', state: view.task === null ? 'later' : 'open' },
  ]
  return (
    <nav aria-label={t('setup.steps')}>
      <ol className="grid grid-cols-2 gap-1 sm:grid-cols-3 lg:flex lg:flex-col">
        {rows.map(({ name, state }) => {
          const off = state === 'later' || (running && name !== 'run')
          return (
            <li key={name}>
              <button
                type="button"
                aria-current={name === place ? 'step' : undefined}
                aria-disabled={off || undefined}
                title={off ? t(running ? 'setup.steps.running' : 'setup.steps.later') : undefined}
                onClick={() => !off && onGo(name)}
                className={classes(
                  'flex h-full min-h-11 w-full items-center gap-2 rounded-lg px-2 py-1.5 text-left text-sm lg:gap-3 lg:px-3 lg:text-base',
                  name === place ? 'bg-brand-tint font-semibold text-brand' : 'hover:bg-sunk',
                  off && 'text-soft',
                )}
              >
                <span aria-hidden="true" className="w-4 shrink-0 text-center font-bold">
                  {state === 'answered' ? '✓' : state === 'check-again' ? '!' : '·'}
                </span>
                <span className="min-w-0 break-words hyphens-auto">
                  {t(`setup.section.${name}`)}
                  {(state === 'answered' || state === 'check-again') && (
                    <span className="sr-only">, {t(state === 'answered' ? 'setup.state.answered' : 'setup.state.again')}</span>
                  )}
                </span>
              </button>
            </li>
          )
        })}
      </ol>
    </nav>
  )
}
