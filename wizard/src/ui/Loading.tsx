'use client'
import type { ReactNode } from 'react'
import { useTexts } from '../i18n/text-context.tsx'

/** A loading place: its skeleton, and one announcement. */
export function Loading({ children }: { children: ReactNode }) {
  const { t } = useTexts()
  return (
    <div aria-busy="true">
      <p role="status" className="sr-only">
        {t('common.loading')}
      </p>
      {children}
    </div>
  )
}
