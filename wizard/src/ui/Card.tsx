import type { ReactNode } from 'react'
import { classes } from './classes.ts'

/** A calm box with one subject. */
export function Card({ children, className }: { children: ReactNode; className?: string }) {
  return <section className={classes('rounded-2xl border border-line bg-card p-5 sm:p-7', className)}>{children}</section>
}

/** Heading of a card or section. */
export function CardTitle({ children, id }: { children: ReactNode; id?: string }) {
  return (
    <h2 id={id} className="text-xl font-semibold tracking-tight">
      {children}
    </h2>
  )
}

/** The one `h1` of a page, with a line below it. */
export function PageHeading({ title, lead, children }: { title: ReactNode; lead?: ReactNode; children?: ReactNode }) {
  return (
    <div className="flex flex-wrap items-end justify-between gap-4">
      <div className="min-w-0">
        <h1 className="text-3xl font-semibold tracking-tight text-balance sm:text-4xl">{title}</h1>
        {lead !== undefined && <p className="mt-3 max-w-2xl text-lg text-pretty text-soft">{lead}</p>}
      </div>
      {children}
    </div>
  )
}
