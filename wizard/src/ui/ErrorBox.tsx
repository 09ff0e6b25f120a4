'use client'
import { useEffect, useRef, type ReactNode } from 'react'
import { describeFailure, type ShownFailure } from '../api/failure.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { CopyButton } from './Copy.tsx'

/** What a form says of a refusal instead of the host's own words about fields. */
interface Summary {
  title: string
  body: ReactNode
}

/**
 * An error where the act was: what happened, what to do, its code, request id and *Copy details* (X2, X3).
 * With `focus` it takes the focus when it appears, for errors that answer an act.
 */
export function ErrorBox(props: { error: unknown; focus?: boolean; summary?: Summary | undefined; children?: ReactNode }) {
  const { error, focus = false, summary, children } = props
  const texts = useTexts()
  const { t } = texts
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (focus) box.current?.focus()
  }, [error, focus])
  const failure = describeFailure(error, texts)
  return (
    <div ref={box} role="alert" tabIndex={-1} className="flex gap-3 rounded-xl border border-bad bg-bad-tint p-4">
      <span
        aria-hidden="true"
        className="mt-0.5 inline-flex size-5 shrink-0 items-center justify-center rounded-full border border-current text-xs font-bold text-bad"
      >
        ×
      </span>
      <div className="min-w-0 flex-1 space-y-2">
        <p className="font-semibold text-bad">{summary?.title ?? failure.title}</p>
        {summary?.body ?? <HostWords failure={failure} />}
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

function HostWords({ failure }: { failure: ShownFailure }) {
  return (
    <>
      <p className="break-words" lang={failure.detailLang}>
        {failure.detail}
      </p>
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
    </>
  )
}
