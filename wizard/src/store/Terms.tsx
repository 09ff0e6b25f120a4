'use client'
import type { PlanView } from '@freehold/appliance/api/schemas/status'
import { useTexts } from '../i18n/text-context.tsx'

/** The rules that the contract enforces, in plain words; only what the code guarantees is claimed (S1, S10). */
export function Terms({ plans }: { plans: readonly PlanView[] }) {
  const { t, length } = useTexts()
  const common = (pick: (plan: PlanView) => number) => {
    const values = new Set(plans.map(pick))
    const [only] = values
    return values.size === 1 && only !== undefined ? length(only) : t('terms.varies')
  }
  const terms = [
    { title: t('terms.refund.title'), text: t('terms.refund.text', { minimum: common((p) => p.minSeconds) }) },
    {
      title: t('terms.delivery.title'),
      text: t('terms.delivery.text', { deadline: common((p) => p.activationDeadlineSeconds) }),
    },
    { title: t('terms.end.title'), text: t('terms.end.text', { grace: common((p) => p.graceSeconds) }) },
    { title: t('terms.pass.title'), text: t('terms.pass.text') },
    { title: t('terms.disk.title'), text: t('terms.disk.text') },
    { title: t('terms.earning.title'), text: t('terms.earning.text') },
    { title: t('terms.privacy.title'), text: t('terms.privacy.text') },
  ]
  return (
    <section aria-labelledby="terms" className="space-y-5">
      <h2 id="terms" className="text-2xl font-semibold tracking-tight">
        {t('terms.title')}
      </h2>
      <dl className="grid gap-x-10 gap-y-7 sm:grid-cols-2">
        {terms.map(({ title, text }) => (
          <div key={title}>
            <dt className="font-semibold">{title}</dt>
            <dd className="mt-1 text-pretty text-soft">{text}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}
