'use client'
import { shortAddress } from '../format/address.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { CopyButton } from './Copy.tsx'

/** An address, short to read and whole to copy (X21). */
export function Address({ value, what }: { value: string; what: string }) {
  return (
    <span className="inline-flex max-w-full flex-wrap items-center gap-2">
      <ShortAddress value={value} />
      <CopyButton value={value} what={what} />
    </span>
  )
}

/** Without a button, where one stands nearby. */
export function ShortAddress({ value }: { value: string }) {
  const { locale } = useTexts()
  return (
    <abbr lang={locale} title={value} className="font-mono text-[0.95em] whitespace-nowrap no-underline">
      {shortAddress(value)}
    </abbr>
  )
}
