'use client'
import { useTexts } from '../i18n/text-context.tsx'
import { Empty } from './Empty.tsx'

/** An address that leads nowhere. */
export function NotFound() {
  const { t } = useTexts()
  return (
    <Empty level={1} title={t('notFound.title')} text={t('notFound.text')} action={{ href: '/', label: t('notFound.home') }} />
  )
}
