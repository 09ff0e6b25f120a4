'use client'
import Link from 'next/link'
import { useTexts } from '../i18n/text-context.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { linkButton } from '../ui/link-button.ts'

/** Where a subscription of kind WASM is used: keys, usage, receipts. */
export function WasmLink() {
  const { t } = useTexts()
  return (
    <Card className="space-y-4">
      <CardTitle>{t('wasm.title')}</CardTitle>
      <p>{t('wasm.link.text')}</p>
      <Link href="/wasm" className={linkButton}>
        {t('wasm.link')}
      </Link>
    </Card>
  )
}
