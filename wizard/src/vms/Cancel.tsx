'use client'
import type { VmView } from '@freehold/appliance/api/schemas/vms'
import { useState } from 'react'
import { calldata } from '../chain/contract.ts'
import { gibibytes } from '../format/size.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { Notice } from '../ui/Notice.tsx'
import { TypedConfirm } from './TypedConfirm.tsx'
import { useTransaction } from './use-transaction.ts'
import { useSenderReason } from '../wallet/use-sender-reason.ts'

/** Ends the subscription; the disk goes, the rest of the money comes back (X9). */
export function Cancel({ vm, reload, onLeave }: { vm: VmView; reload(): void; onLeave(words: string): void }) {
  const { t, money, locale } = useTexts()
  const s = vm.subscription
  const [open, setOpen] = useState(false)
  const [done, setDone] = useState(false)
  const { run, stage, error } = useTransaction()
  const reason = useSenderReason({ role: 'holder', address: vm.subscription.holder })
  return (
    <Card className="space-y-4">
      <CardTitle>{t('cancel.title')}</CardTitle>
      <p>{t('cancel.text')}</p>
      {done ? (
        <Notice tone="good" live>
          <p>{t('cancel.done')}</p>
        </Notice>
      ) : (
        <Button
          look="secondary"
          onClick={() => setOpen(true)}
          disabledReason={s.entitlement === 'pending' ? t('cancel.pending') : undefined}
        >
          {t('cancel.open')}
        </Button>
      )}
      {open && (
        <TypedConfirm
          title={t('cancel.dialog', { name: vm.hostname })}
          name={vm.hostname}
          intro={t('cancel.lost')}
          lost={[
            t('cancel.lost.disk', { size: gibibytes(vm.diskGiB, locale) }),
            t('cancel.lost.addresses'),
            t('cancel.lost.pass', { id: s.tokenId }),
          ]}
          confirm={t('cancel.submit')}
          busy={stage === undefined ? undefined : t(stage === 'wallet' ? 'tx.wallet' : 'tx.sent')}
          error={error}
          disabledReason={reason}
          onClose={() => setOpen(false)}
          onConfirm={() =>
            void run({ to: s.contract, data: calldata.cancel(s.tokenId) }).then((ok) => {
              if (!ok) return
              setOpen(false)
              setDone(true)
              onLeave(t('cancel.done'))
              reload()
            })
          }
        >
          <p>{BigInt(s.refundable) === 0n ? t('cancel.refund.none') : t('cancel.refund', { amount: money(s.refundable, s) })}</p>
        </TypedConfirm>
      )}
    </Card>
  )
}
