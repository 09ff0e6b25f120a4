'use client'
import { useTexts } from '../i18n/text-context.tsx'
import { Spinner } from '../ui/Button.tsx'
import { classes } from '../ui/classes.ts'
import { checkText } from './step-text.ts'
import type { Checks } from './use-checks.ts'

const signs = { passed: '✓', warned: '!', failed: '×' }
const inks = { passed: 'text-good', warned: 'text-warn', failed: 'text-bad' }

/** Live checks: running, passed or failed, with what was seen and what to do (W8). */
export function CheckList({ checks }: { checks: Checks }) {
  const { host, hostLang, t } = useTexts()
  if (!checks.running && checks.found.length === 0) return null
  return (
    <section
      aria-label={t('setup.checks')}
      aria-busy={checks.running || undefined}
      className="rounded-xl border border-line bg-sunk p-4"
    >
      <div role="status" className="flex min-h-6 items-center gap-2 text-soft">
        {checks.running ? (
          <>
            <Spinner />
            {t('setup.checks.running')}
          </>
        ) : (
          t(checks.found.some((check) => check.state === 'failed') ? 'setup.checks.failed' : 'setup.checks.passed')
        )}
      </div>
      <ul className="mt-2 space-y-2">
        {checks.found.map((check) => (
          <li key={check.name} className="flex gap-3">
            <span aria-hidden="true" className={classes('w-4 shrink-0 text-center font-bold', inks[check.state])}>
              {signs[check.state]}
            </span>
            <span className="min-w-0 break-words">
              <span className={classes('font-medium', inks[check.state])}>{checkText(check.name, t)}</span>
              <span className="sr-only"> {t(`setup.checkState.${check.state}`)}</span>
              {check.detail !== null && (
                <span className="block" lang={hostLang}>
                  {check.detail}
                </span>
              )}
              {check.hint !== null && <span className="block text-soft">{host(check.hint)}</span>}
              {check.code !== null && <code className="block font-mono text-sm text-soft">{check.code}</code>}
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}
