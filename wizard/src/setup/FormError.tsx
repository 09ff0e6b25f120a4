'use client'
import { useLayoutEffect, useRef, useState } from 'react'
import { HostFailure } from '../api/failure.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { classes } from '../ui/classes.ts'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { textLink } from '../ui/link-button.ts'
import { fieldName, pageOf } from './field-names.ts'
import type { SectionName } from './resources.ts'

/** Where it breaks, a link of the list stands at the left and its first line beside the bullet. */
const listed = classes(textLink, 'text-left align-top')

/** What the host found wrong at one place of the answers. */
export interface Problem {
  pointer: string
  detail: string
}

/** The fields that a refusal names; none where it names none. */
export function problemsOf(error: unknown): readonly Problem[] {
  return error instanceof HostFailure ? (error.problem.errors ?? []) : []
}

/**
 * A refusal of the host, above the button that asked. A field of this form says itself what is wrong with it: here it is only named
 * and led to, and the first has the focus. What has no field here is told here, by its name and, with `onGo`, its page (X3).
 */
export function FormError({ error, onGo }: { error: unknown; onGo?: (page: SectionName) => void }) {
  const { t } = useTexts()
  const here = useRef<HTMLDivElement>(null)
  const [shown, setShown] = useState<ReadonlySet<string>>()
  const problems = problemsOf(error)
  useLayoutEffect(() => {
    const there = problemsOf(error).filter(({ pointer }) => fieldOf(here.current, pointer) !== undefined)
    setShown(new Set(there.map(({ pointer }) => pointer)))
    focusField(here.current?.closest('form')?.querySelector<HTMLElement>('[aria-invalid="true"]'))
  }, [error])

  const named = new Map(problems.filter(({ pointer }) => shown?.has(pointer)).map((one) => [fieldName(one.pointer, t), one]))
  const others = problems.filter(({ pointer }) => shown?.has(pointer) === false)
  const summary = problems.length > 0 && {
    title: t('setup.wrong.title', { count: named.size + others.length }),
    body: (
      <ul className="list-disc space-y-1 pl-5">
        {[...named].map(([name, { pointer }]) => (
          <li key={name}>
            <button type="button" className={listed} onClick={() => focusField(fieldOf(here.current, pointer))}>
              {name}
            </button>
          </li>
        ))}
        {others.map((problem, i) => (
          <Elsewhere key={i} problem={problem} onGo={onGo} />
        ))}
      </ul>
    ),
  }
  return (
    <div ref={here}>
      {shown !== undefined && <ErrorBox error={error} focus={named.size === 0} summary={summary || undefined} />}
    </div>
  )
}

/** What is wrong where this form has no field. */
function Elsewhere({ problem, onGo }: { problem: Problem; onGo: ((page: SectionName) => void) | undefined }) {
  const { t } = useTexts()
  const name = fieldName(problem.pointer, t)
  const page = onGo && pageOf(problem.pointer)
  return (
    <li className="break-words">
      {page === undefined ? (
        <span className="font-medium">{name}</span>
      ) : (
        <button type="button" className={listed} onClick={() => onGo?.(page)}>
          {t(`setup.section.${page}`)}: {name}
        </button>
      )}
      <span className="block">{problem.detail}</span>
    </li>
  )
}

/** The control of the same form that stands for a place of the answer. */
function fieldOf(from: HTMLElement | null, pointer: string): HTMLElement | undefined {
  const fields = from?.closest('form')?.querySelectorAll<HTMLElement>('[data-pointer]') ?? []
  return [...fields].find((field) => (field.dataset['pointer'] ?? '').split(' ').includes(pointer))
}

/** A group of radio buttons takes the focus at the one that is chosen. */
function focusField(field: HTMLElement | null | undefined): void {
  const inner = field?.querySelector<HTMLElement>('input:checked') ?? field?.querySelector<HTMLElement>('input') ?? field
  inner?.focus()
}
