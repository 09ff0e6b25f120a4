'use client'
import { useEffect, useRef, type ReactNode } from 'react'
import { describeFailure } from '../api/failure.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { CopyButton } from './Copy.tsx'

/**
 * An error where the act was: what happened, what to do, its code, request id and *Copy details* (X2, X3).
 * With `focus` it takes the focus when it appears, for errors that answer an act.
 */
export function ErrorBox({ error, focus = false, children }: { error: unknown; focus?: boolean; children?: ReactNode }) {
  const { t, locale } = useTexts()
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (focus) box.current?.focus()
  }, [error, focus])
  const failure = describeFailure(error, t, locale)
  return (
    <div ref={box} role="alert" tabIndex={-1} className="flex gap-3 rounded-xl border border-bad bg-bad-tint p-4">
      <span
        aria-hidden="true"
        className="mt-0.5 inline-flex size-5 shrink-0 items-center justify-center rounded-full border border-current text-xs font-bold text-bad"
      >
        ×
      </span>
      <div className="min-w-0 flex-1 space-y-2">
        <p className="font-semibold text-bad">{failure.title}</p>
        <p className="break-words">{failure.detail}</p>
        <p>{failure.hint}</p>
        {failure.fields.length > 0 && (
          <ul className="list-disc pl-5">
            {failure.fields.map((f) => (
              <li key={f.pointer}>
                <code className="font-mono text-sm">{f.pointer}</code> {f.detail}
              </li>
            ))}
          </ul>
        )}
        <div className="flex flex-wrap items-center gap-x-4 gap-y-2 text-sm text-soft">
          <code className="font-mono">{failure.code}</code>
          {failure.requestId !== null && <span>{t('common.request', { id: failure.requestId })}</span>}
          <CopyButton value={failure.copied} what={t('common.details')} label={t('common.copyDetails')} />
          {children}
        </div>
      </div>
    </div>
  )
}
