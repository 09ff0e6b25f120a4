'use client'
import type { LoginRequestView } from '@freehold/appliance/api/schemas/sign-in'
import { useTexts } from '../i18n/text-context.tsx'
import { utcTime } from '../format/time.ts'
import { Facts } from '../ui/Facts.tsx'

/** The facts that terminal, page and signed text share, in the terminal's order (A1). */
export function RequestFacts({ view }: { view: LoginRequestView }) {
  const { t, locale } = useTexts()
  const time = (isoText: string) => t('common.zone', { time: utcTime(Date.parse(isoText) / 1000, locale) })
  return (
    <Facts
      facts={[
        ...(view.vmId === null
          ? []
          : [
              {
                label: t('signIn.vm'),
                value: view.hostname === null || view.hostname === view.vmId ? view.vmId : `${view.hostname} (${view.vmId})`,
              },
            ]),
        ...(view.user === null ? [] : [{ label: t('signIn.user'), value: view.user }]),
        { label: t('signIn.source'), value: view.source },
        { label: t('signIn.code'), value: <span className="font-mono text-lg font-semibold tracking-wide">{view.code}</span> },
        { label: t('signIn.issued'), value: time(view.issuedAt) },
        { label: t('signIn.expires'), value: time(view.expiresAt) },
        ...(view.act.startsWith('certificate:')
          ? [
              {
                label: t('signIn.key'),
                value: <code className="font-mono text-sm break-all">{view.act.slice('certificate:'.length)}</code>,
              },
            ]
          : []),
        ...(view.hostKey === null
          ? []
          : [{ label: t('signIn.hostKey'), value: <code className="font-mono text-sm break-all">{view.hostKey}</code> }]),
      ]}
    />
  )
}
