'use client'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'

export default function PageError({ error, reset }: { error: Error; reset(): void }) {
  const { t } = useTexts()
  return (
    <div className="space-y-4">
      <h1 className="text-3xl font-semibold tracking-tight">{t('error.crash.title')}</h1>
      <ErrorBox error={error} focus />
      <Button onClick={reset}>{t('common.tryAgain')}</Button>
    </div>
  )
}
