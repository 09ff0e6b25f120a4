'use client'
import { useTexts } from '../i18n/text-context.tsx'
import { CopyField } from '../ui/Copy.tsx'

/** The whole text, as the wallet will show it (A2). */
export function TextToSign({ text }: { text: string }) {
  const { t } = useTexts()
  return <CopyField label={t('signIn.text')} value={text} wrap />
}
