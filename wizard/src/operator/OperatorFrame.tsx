'use client'
import Link from 'next/link'
import { usePathname } from 'next/navigation'
import type { ReactNode } from 'react'
import { useTexts } from '../i18n/text-context.tsx'
import type { MessageKey } from '../messages/catalogue.ts'
import { SignInBox } from '../session/SignInBox.tsx'
import { useSession } from '../session/session-context.tsx'
import { classes } from '../ui/classes.ts'
import { PageHeading } from '../ui/Card.tsx'
import { Loading } from '../ui/Loading.tsx'
import { Skeleton } from '../ui/Skeleton.tsx'

const places = [
  ['/operator', 'operator.nav.overview'],
  ['/operator/vms', 'operator.nav.vms'],
  ['/operator/tasks', 'operator.nav.tasks'],
  ['/operator/issues', 'operator.nav.issues'],
  ['/operator/plans', 'operator.nav.plans'],
  ['/operator/money', 'operator.nav.money'],
  ['/operator/audit', 'operator.nav.audit'],
  ['/operator/sessions', 'operator.nav.sessions'],
  ['/operator/alerts', 'operator.nav.alerts'],
  ['/operator/backups', 'operator.nav.backups'],
  ['/operator/settings', 'operator.nav.settings'],
  ['/operator/api', 'operator.nav.api'],
] as const satisfies readonly (readonly [string, MessageKey])[]

/** The operator's pages: their navigation, and a sign-in before anything is shown. Rights are the host's to judge. */
export function OperatorFrame({ children }: { children: ReactNode }) {
  const { t } = useTexts()
  const path = usePathname()
  const { session } = useSession()
  return (
    <div className="gap-10 lg:grid lg:grid-cols-[11rem_minmax(0,1fr)]">
      <nav aria-label={t('operator.nav.label')} className="mb-8 lg:mb-0">
        <ul className="flex flex-wrap gap-1 lg:sticky lg:top-6 lg:flex-col">
          {places.map(([href, label]) => {
            const current = href === '/operator' ? path === href : path.startsWith(href)
            return (
              <li key={href}>
                <Link
                  href={href}
                  aria-current={current ? 'page' : undefined}
                  className={classes(
                    'inline-flex min-h-9 w-full items-center rounded-lg px-3 text-sm font-medium',
                    current ? 'bg-brand-tint text-brand underline underline-offset-4' : 'text-ink hover:bg-sunk',
                  )}
                >
                  {t(label)}
                </Link>
              </li>
            )
          })}
        </ul>
      </nav>
      <div className="min-w-0">
        {session === undefined ? (
          <Loading>
            <Skeleton className="h-80 rounded-2xl" />
          </Loading>
        ) : session === null ? (
          <div className="max-w-2xl space-y-8">
            <PageHeading title={t('operator.title')} lead={t('operator.lead')} />
            <SignInBox why={t('operator.signedOut')} />
          </div>
        ) : (
          children
        )}
      </div>
    </div>
  )
}
