'use client'
import { useId } from 'react'
import { FieldFrame, ties, type Frame } from './Field.tsx'

/** One of several with a visible label, where a choice of buttons would be too long. */
export function SelectField({
  value,
  options,
  onChange,
  ...frame
}: Frame & {
  value: string
  options: readonly { value: string; label: string }[]
  onChange(value: string): void
}) {
  const id = useId()
  return (
    <FieldFrame id={id} {...frame}>
      <select
        {...ties(id, frame)}
        value={value}
        onChange={(e) => onChange(e.target.value)}
        className="min-h-11 w-full rounded-lg border border-edge bg-card px-3 text-ink"
      >
        {options.map((o) => (
          <option key={o.value} value={o.value}>
            {o.label}
          </option>
        ))}
      </select>
    </FieldFrame>
  )
}
