'use client'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import type { MorePages } from './more-pages.ts'

/** Shows older rows below a list; nothing at its end. */
export function MoreButton({ pages }: { pages: Pick<MorePages<unknown>, 'cursor' | 'busy' | 'error' | 'more'> }) {
  const { t } = useTexts()
  return (
    <>
      {pages.error !== undefined && <ErrorBox error={pages.error} focus />}
      {pages.cursor !== null && (
        <Button look="secondary" onClick={pages.more} busy={pages.busy ? t('common.loading') : undefined}>
          {t('operator.more')}
        </Button>
      )}
    </>
  )
}
