'use client'
import { useTexts } from '../i18n/text-context.tsx'
import { classes } from '../ui/classes.ts'
import type { ConfirmationKind } from './payment.ts'

/** How often the wallet will ask, for what, and which one is open (S5). */
export function Confirmations({
  kinds,
  amount,
  open,
}: {
  kinds: readonly ConfirmationKind[]
  amount: string
  open: { index: number; stage: 'wallet' | 'network' } | undefined
}) {
  const { t } = useTexts()
  const stateOf = (index: number) =>
    open === undefined || index > open.index
      ? t('review.step.waiting')
      : index < open.index
        ? t('review.step.done')
        : t(open.stage === 'wallet' ? 'review.step.open' : 'review.step.sent')
  return (
    <div>
      <p className="font-medium">{t('review.confirmations', { count: kinds.length })}</p>
      <ol className="mt-2 space-y-2" aria-live="polite">
        {kinds.map((kind, index) => (
          <li
            key={kind}
            className={classes(
              'flex flex-wrap items-center justify-between gap-x-4 rounded-lg border px-3 py-2',
              open?.index === index ? 'border-brand bg-brand-tint' : 'border-line',
            )}
          >
            <span>
              {index + 1}. {t(`review.step.${kind}`, { amount })}
            </span>
            <span className="text-sm text-soft">{stateOf(index)}</span>
          </li>
        ))}
      </ol>
    </div>
  )
}
