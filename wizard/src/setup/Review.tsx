'use client'
import { formatEther } from 'ethers'
import { useHost } from '../api/host-context.tsx'
import { useResource } from '../api/use-resource.ts'
import { useEffect } from 'react'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { usePress } from '../ui/use-press.ts'
import { FormError, problemsOf, type Problem } from './FormError.tsx'
import { saveFile } from './save-file.ts'
import { setupApi, type WizardView } from './resources.ts'
import { SkeletonCard } from './SkeletonCard.tsx'
import type { Place } from './Steps.tsx'

/** Every change in order, what it costs and whether it can be undone, before anything happens (W9); the answer file (W10). */
export function Review(props: { view: WizardView; onGo(to: Place): void; onRefused(problems: readonly Problem[]): void }) {
  const { view, onGo, onRefused } = props
  const { t, length } = useTexts()
  const { lost } = useHost()
  const key = view.sections.map((section) => section.revision).join('-')
  const review = useResource(`setup review ${key}`, setupApi.review)
  const { at, error, press } = usePress<'run' | 'file'>()
  const act = (what: 'run' | 'file') =>
    press(async () => {
      if (what === 'file') return saveFile('answers.yaml', (await setupApi.answerFile()).text, 'application/yaml')
      await setupApi.run()
      onGo('run')
    }, what)

  const wrong = error ?? review.error
  useEffect(() => onRefused(problemsOf(wrong)), [wrong, onRefused])

  if (review.data === undefined) {
    return review.error === undefined ? <SkeletonCard /> : <FormError error={review.error} onGo={onGo} />
  }
  const { changes, estimateSeconds } = review.data
  const asText = () =>
    changes
      .flatMap((change, i) => [
        `${i + 1}. ${t(`setup.change.${change.kind}`, change.values)} (${t(`setup.undo.${change.undo}`)})`,
        ...(change.costWei === null ? [] : [`   ${t('setup.review.cost', { amount: shortEther(change.costWei) })}`]),
      ])
      .join('\n')
  return (
    <Card>
      <CardTitle>{t('setup.review.title')}</CardTitle>
      <p className="mt-2 max-w-prose text-soft">{t('setup.review.lead', { time: length(estimateSeconds) })}</p>
      <ol className="mt-5 divide-y divide-line">
        {changes.map((change, index) => (
          <li key={index} className="grid gap-x-6 gap-y-1 py-3 sm:grid-cols-[2rem_minmax(0,1fr)_minmax(0,11rem)]">
            <span aria-hidden="true" className="hidden text-soft tabular-nums sm:block">
              {index + 1}
            </span>
            <span className="min-w-0 break-words">
              <span className="font-medium">{t(`setup.change.${change.kind}`, change.values)}</span>
              {change.costWei !== null && (
                <span className="block text-soft">{t('setup.review.cost', { amount: shortEther(change.costWei) })}</span>
              )}
            </span>
            <span className="text-sm text-soft">{t(`setup.undo.${change.undo}`)}</span>
          </li>
        ))}
      </ol>
      <div className="mt-6 space-y-4">
        {error !== undefined && <FormError error={error} onGo={onGo} />}
        <div className="flex flex-wrap gap-3">
          <Button
            onClick={() => act('run')}
            busy={at === 'run' ? t('setup.review.starting') : undefined}
            disabledReason={lost ? t('link.lost.reason') : undefined}
          >
            {t('setup.review.run')}
          </Button>
          <Button look="secondary" onClick={() => act('file')} busy={at === 'file' ? t('setup.review.exporting') : undefined}>
            {t('setup.review.export')}
          </Button>
          <Button look="secondary" onClick={() => saveFile('review.txt', `${asText()}\n`)}>
            {t('setup.review.download')}
          </Button>
        </div>
        <p className="text-sm text-soft">{t('setup.review.exportText')}</p>
      </div>
    </Card>
  )
}

/** Four digits are enough for "about". */
function shortEther(wei: string): string {
  return Number(formatEther(BigInt(wei))).toPrecision(2)
}
