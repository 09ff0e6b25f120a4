import Link from 'next/link'
import type { ReactNode } from 'react'
import { linkButton } from './link-button.ts'

/** Says what will be here, why there is nothing, and the one next action (X5). */
export function Empty({
  title,
  text,
  action,
  level = 2,
}: {
  title: string
  text: ReactNode
  action?: { href: string; label: string }
  level?: 1 | 2
}) {
  const Heading = level === 1 ? 'h1' : 'h2'
  return (
    <div className="flex flex-col items-start gap-4 rounded-2xl border border-dashed border-edge p-7 sm:p-10">
      <Heading className="text-xl font-semibold tracking-tight">{title}</Heading>
      <p className="max-w-prose text-soft">{text}</p>
      {action !== undefined && (
        <Link href={action.href} className={linkButton}>
          {action.label}
        </Link>
      )}
    </div>
  )
}
