'use client'
import { useState, type ReactNode } from 'react'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Notice } from '../ui/Notice.tsx'
import { useTransaction } from '../vms/use-transaction.ts'
import { useSenderReason } from '../wallet/use-sender-reason.ts'

/** One transaction of the owner's wallet (or of anybody's, without `owner`): asked for, sent, included, or why not. */
export function OwnerButton({
  children,
  owner,
  contract,
  data,
  look = 'secondary',
  disabledReason,
  onDone,
}: {
  children: ReactNode
  owner?: string
  contract: string
  data(): string
  look?: 'primary' | 'secondary' | 'danger'
  disabledReason?: string | undefined
  onDone(): void
}) {
  const { t } = useTexts()
  const reason = useSenderReason(owner === undefined ? undefined : { role: 'owner', address: owner })
  const { run, stage, error } = useTransaction()
  const [done, setDone] = useState(false)
  async function press() {
    setDone(false)
    if (!(await run({ to: contract, data: data() }))) return
    setDone(true)
    onDone()
  }
  return (
    <div className="space-y-3">
      {error !== undefined && <ErrorBox error={error} focus />}
      <Button
        look={look}
        onClick={() => void press()}
        busy={stage === undefined ? undefined : t(stage === 'wallet' ? 'tx.wallet' : 'tx.sent')}
        disabledReason={reason ?? disabledReason}
      >
        {children}
      </Button>
      {done && (
        <Notice tone="good" live>
          <p>{t('operator.owner.done')}</p>
        </Notice>
      )}
    </div>
  )
}
