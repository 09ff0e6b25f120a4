'use client'
import { useId, type InputHTMLAttributes, type ReactNode, type TextareaHTMLAttributes } from 'react'
import { classes } from './classes.ts'

const box = 'min-h-11 w-full rounded-lg border bg-card px-3 py-2 text-ink placeholder:text-soft'

export interface Frame {
  label: string
  hint?: ReactNode
  error?: string | undefined
}

/** Label, hint and error around a control whose id is `id`. */
export function FieldFrame({ id, label, hint, error, children }: Frame & { id: string; children: ReactNode }) {
  return (
    // controls of a row stand in line, whichever of them has a hint
    <div className="flex h-full flex-col">
      <label htmlFor={id} className="block font-medium">
        {label}
      </label>
      {hint !== undefined && (
        <p id={`${id}-hint`} className="text-sm text-soft">
          {hint}
        </p>
      )}
      <div className="mt-auto pt-1.5">{children}</div>
      <FieldError id={id} error={error} />
    </div>
  )
}

/** What is wrong, below the control whose id is `id`. */
function FieldError({ id, error }: { id: string; error: string | undefined }) {
  if (error === undefined) return null
  return (
    <p id={`${id}-error`} className="mt-1.5 flex gap-2 text-sm font-medium text-bad">
      <span aria-hidden="true">×</span>
      <span className="min-w-0 break-words">{error}</span>
    </p>
  )
}

/** A box to tick; hint and error are tied to it. */
export function CheckField({ label, hint, error, ...input }: Frame & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId()
  return (
    <div>
      <label className="flex min-h-11 items-center gap-3">
        <input {...input} {...ties(id, { label, hint, error })} type="checkbox" className="size-5 shrink-0 accent-brand" />
        <span>{label}</span>
      </label>
      {hint !== undefined && (
        <p id={`${id}-hint`} className="text-sm text-soft">
          {hint}
        </p>
      )}
      <FieldError id={id} error={error} />
    </div>
  )
}

/** What ties a control to its hint and error. */
export function ties(id: string, frame: Frame) {
  return {
    id,
    'aria-invalid': frame.error === undefined ? undefined : true,
    'aria-describedby':
      [frame.hint === undefined ? '' : `${id}-hint`, frame.error === undefined ? '' : `${id}-error`].join(' ').trim() ||
      undefined,
  }
}

/** A line of text with a visible label; hint and error are tied to it (X14). */
export function TextField({ label, hint, error, className, ...input }: Frame & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId()
  return (
    <FieldFrame id={id} label={label} hint={hint} error={error}>
      <input
        {...input}
        {...ties(id, { label, hint, error })}
        className={classes(box, error === undefined ? 'border-edge' : 'border-bad', className)}
      />
    </FieldFrame>
  )
}

/** Several lines of text. */
export function TextArea({ label, hint, error, className, ...input }: Frame & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId()
  return (
    <FieldFrame id={id} label={label} hint={hint} error={error}>
      <textarea
        {...input}
        {...ties(id, { label, hint, error })}
        className={classes(box, error === undefined ? 'border-edge' : 'border-bad', className)}
      />
    </FieldFrame>
  )
}

/** One of several, each as a large target. `data-pointer` names its place in an answer, as on the other fields. */
export function Choice<T extends string>(props: {
  legend: string
  hint?: string | undefined
  error?: string | undefined
  'data-pointer'?: string
  name: string
  value: T
  onChange(value: T): void
  options: readonly { value: T; label: ReactNode; detail?: ReactNode }[]
}) {
  const id = useId()
  return (
    // a group cannot be invalid, a group of radio buttons can
    <fieldset role="radiogroup" {...ties(id, { label: props.legend, ...props })} data-pointer={props['data-pointer']}>
      <legend className="font-medium">{props.legend}</legend>
      {props.hint !== undefined && (
        <p id={`${id}-hint`} className="text-sm text-soft">
          {props.hint}
        </p>
      )}
      <div className="mt-2 grid gap-2 sm:grid-cols-2">
        {props.options.map((option) => (
          <label
            key={option.value}
            className="flex min-h-11 cursor-pointer items-center gap-3 rounded-lg border border-edge bg-card px-3 py-2 has-checked:border-brand has-checked:bg-brand-tint has-focus-visible:outline-3 has-focus-visible:outline-offset-2 has-focus-visible:outline-brand"
          >
            <input
              type="radio"
              name={props.name}
              value={option.value}
              checked={option.value === props.value}
              onChange={() => props.onChange(option.value)}
              className="size-4 shrink-0 accent-brand focus-visible:outline-none"
            />
            <span className="min-w-0">
              {option.label}
              {option.detail !== undefined && <span className="block text-sm text-soft">{option.detail}</span>}
            </span>
          </label>
        ))}
      </div>
      <FieldError id={id} error={props.error} />
    </fieldset>
  )
}
