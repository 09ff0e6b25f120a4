'use client'
import { useEffect, useId, useRef, useState } from 'react'
import { useTexts } from '../i18n/text-context.tsx'
import { classes } from './classes.ts'

/** Copies `value` whole and says so, also aloud. */
export function CopyButton({ value, what, label }: { value: string; what: string; label?: string }) {
  const { t } = useTexts()
  const [copied, setCopied] = useState(false)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  async function copy() {
    await navigator.clipboard.writeText(value)
    setCopied(true)
    clearTimeout(timer.current)
    timer.current = setTimeout(() => setCopied(false), 2000)
  }
  return (
    <>
      <button
        type="button"
        onClick={() => void copy()}
        aria-label={label === undefined ? t('common.copyWhat', { what }) : undefined}
        className="inline-flex min-h-8 shrink-0 items-center rounded-md border border-edge bg-card px-2.5 text-sm font-medium text-ink hover:bg-sunk"
      >
        {copied ? t('common.copied') : (label ?? t('common.copy'))}
      </button>
      <span role="status" className="sr-only">
        {copied ? t('common.copied') : ''}
      </span>
    </>
  )
}

/** A technical value under its label: scrolls in its own box, or wraps, and is copied whole (X18, S9). */
export function CopyField({ label, value, hint, wrap = false }: { label: string; value: string; hint?: string; wrap?: boolean }) {
  const id = useId()
  return (
    <div>
      <div className="flex flex-wrap items-center justify-between gap-2">
        <span id={id} className="font-medium">
          {label}
        </span>
        <CopyButton value={value} what={label} />
      </div>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a box that scrolls must be reachable by keyboard */}
      <pre
        tabIndex={0}
        aria-labelledby={id}
        role="group"
        className={classes(
          'mt-1.5 rounded-lg border border-line bg-sunk px-3 py-2.5 font-mono text-sm',
          wrap ? 'break-words whitespace-pre-wrap' : 'overflow-x-auto',
        )}
      >
        {value}
      </pre>
      {hint !== undefined && <p className="mt-1 text-sm text-soft">{hint}</p>}
    </div>
  )
}
