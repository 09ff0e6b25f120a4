import type { ReactNode } from 'react'
import { classes } from './classes.ts'

const tones = {
  info: { box: 'border-edge bg-sunk', mark: 'i', ink: 'text-ink' },
  good: { box: 'border-good bg-good-tint', mark: '✓', ink: 'text-good' },
  warn: { box: 'border-warn bg-warn-tint', mark: '!', ink: 'text-warn' },
  bad: { box: 'border-bad bg-bad-tint', mark: '×', ink: 'text-bad' },
}
export type Tone = keyof typeof tones

/** Something to know, with a sign beside the colour (X15). `live` announces it when it appears. */
export function Notice({
  tone = 'info',
  title,
  children,
  live = false,
}: {
  tone?: Tone
  title?: ReactNode
  children?: ReactNode
  live?: boolean
}) {
  const { box, mark, ink } = tones[tone]
  return (
    <div role={live ? 'status' : undefined} className={classes('flex gap-3 rounded-xl border p-4', box)}>
      <span
        aria-hidden="true"
        className={classes(
          'mt-0.5 inline-flex size-5 shrink-0 items-center justify-center rounded-full border border-current text-xs font-bold',
          ink,
        )}
      >
        {mark}
      </span>
      <div className="min-w-0 flex-1">
        {title !== undefined && <p className={classes('font-semibold', ink)}>{title}</p>}
        {children !== undefined && <div className="space-y-2 text-pretty">{children}</div>}
      </div>
    </div>
  )
}

/** A word for a state; the colour only repeats it. */
export function Badge({ tone = 'info', children }: { tone?: Tone; children: ReactNode }) {
  const { box, mark, ink } = tones[tone]
  return (
    <span className={classes('inline-flex items-center gap-1.5 rounded-full border px-3 py-0.5 text-sm font-medium', box, ink)}>
      <span aria-hidden="true">{mark}</span>
      <span>{children}</span>
    </span>
  )
}
