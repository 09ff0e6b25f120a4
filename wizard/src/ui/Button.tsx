'use client'
import { useId, type MouseEvent, type ReactNode } from 'react'
import { classes } from './classes.ts'

const looks = {
  primary: 'bg-brand text-on-brand hover:bg-brand-strong',
  secondary: 'border border-edge bg-card text-ink hover:bg-sunk',
  danger: 'bg-bad text-on-bad hover:bg-bad-strong',
  quiet: 'text-brand underline underline-offset-4 hover:text-brand-strong',
}

export interface ButtonProps {
  children: ReactNode
  onClick?(event: MouseEvent<HTMLButtonElement>): void
  look?: keyof typeof looks
  type?: 'button' | 'submit'
  /** Shown in place of `children` while something goes on; the button then does nothing. */
  busy?: string | undefined
  /** Why it cannot be pressed now. It stays reachable by keyboard and says so (X8). */
  disabledReason?: string | undefined
  wide?: boolean
  describedBy?: string
}

/** A button that says what it does; unavailable, it says why. */
export function Button({
  children,
  onClick,
  look = 'primary',
  type = 'button',
  busy,
  disabledReason,
  wide = false,
  describedBy,
}: ButtonProps) {
  const reasonId = useId()
  const off = busy !== undefined || disabledReason !== undefined
  const edged = off && busy === undefined
  return (
    <span className={classes('inline-flex max-w-full flex-col items-start gap-1', wide && 'w-full')}>
      <button
        type={type}
        aria-disabled={off || undefined}
        aria-busy={busy === undefined ? undefined : true}
        aria-describedby={
          [disabledReason === undefined ? undefined : reasonId, describedBy].filter(Boolean).join(' ') || undefined
        }
        onClick={(event) => {
          if (off) {
            event.preventDefault()
            return
          }
          onClick?.(event)
        }}
        className={classes(
          'forced-edge inline-flex min-h-11 max-w-full items-center justify-center gap-2 rounded-lg text-left font-medium transition-colors',
          look === 'quiet' && !edged ? 'px-0' : 'px-4 py-2',
          wide && 'w-full text-center',
          edged ? 'border border-dashed border-edge bg-sunk text-soft' : looks[look],
        )}
      >
        {busy !== undefined && <Spinner />}
        <span>{busy ?? children}</span>
      </button>
      {disabledReason !== undefined && (
        <span id={reasonId} className="text-sm text-soft">
          {disabledReason}
        </span>
      )}
    </span>
  )
}

/** Movement for those who like it; the text beside it says the same. */
export function Spinner() {
  return (
    <span
      aria-hidden="true"
      className="inline-block size-4 shrink-0 animate-spin rounded-full border-2 border-current border-r-transparent motion-reduce:hidden"
    />
  )
}
