'use client'
import type { VmView } from '@freehold/appliance/api/schemas/vms'
import { getAddress } from 'ethers'
import { useId, useState } from 'react'
import { calldata } from '../chain/contract.ts'
import { looksLikeAddress, sameAddress, shortAddress } from '../format/address.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { TextField } from '../ui/Field.tsx'
import { Notice } from '../ui/Notice.tsx'
import { WalletBox } from '../wallet/WalletBox.tsx'
import { useTransaction } from './use-transaction.ts'
import { useSenderReason } from '../wallet/use-sender-reason.ts'

/** Gives the pass away, and the VM with it; says so before (S12). */
export function Transfer({ vm, reload, onLeave }: { vm: VmView; reload(): void; onLeave(words: string): void }) {
  const { t } = useTexts()
  const s = vm.subscription
  const [to, setTo] = useState('')
  const [understood, setUnderstood] = useState(false)
  const [checked, setChecked] = useState(false)
  const [done, setDone] = useState<string>()
  const { run, stage, error } = useTransaction()
  const reason = useSenderReason({ role: 'holder', address: vm.subscription.holder })
  const check = useId()
  const wrong =
    !looksLikeAddress(to) || !checksumFits(to)
      ? t('transfer.wrong')
      : sameAddress(to.trim(), s.holder)
        ? t('transfer.self')
        : undefined

  async function send() {
    const target = getAddress(to.trim())
    if (!(await run({ to: s.contract, data: calldata.transfer(s.holder, target, s.tokenId) }))) return
    setDone(target)
    onLeave(t('transfer.done', { address: shortAddress(target) }))
    reload()
  }

  return (
    <Card className="space-y-4">
      <CardTitle>{t('transfer.title')}</CardTitle>
      <p>{t('transfer.text')}</p>
      {done !== undefined ? (
        <Notice tone="good" live>
          <p>{t('transfer.done', { address: shortAddress(done) })}</p>
        </Notice>
      ) : (
        <form
          noValidate
          className="space-y-5"
          onSubmit={(event) => {
            event.preventDefault()
            setChecked(true)
            if (wrong !== undefined) event.currentTarget.querySelector('input')?.focus()
            else if (understood && reason === undefined && stage === undefined) void send()
          }}
        >
          <TextField
            label={t('transfer.to')}
            autoComplete="off"
            spellCheck={false}
            className="font-mono text-sm"
            value={to}
            onChange={(e) => setTo(e.target.value)}
            error={checked ? wrong : undefined}
          />
          <Notice tone="warn" title={t('transfer.warning.title')}>
            <p>{t('transfer.warning.text')}</p>
          </Notice>
          <div className="flex min-h-11 items-center gap-3">
            <input
              id={check}
              type="checkbox"
              checked={understood}
              onChange={(e) => setUnderstood(e.target.checked)}
              className="size-6 shrink-0 accent-brand"
            />
            <label htmlFor={check}>{t('transfer.understood')}</label>
          </div>
          {reason !== undefined && <WalletBox />}
          {error !== undefined && <ErrorBox error={error} focus />}
          <Button
            type="submit"
            look="secondary"
            busy={stage === undefined ? undefined : t(stage === 'wallet' ? 'tx.wallet' : 'tx.sent')}
            disabledReason={reason ?? (understood ? undefined : t('transfer.understood.reason'))}
          >
            {t('transfer.submit')}
          </Button>
        </form>
      )}
    </Card>
  )
}

/** False only for mixed case with a wrong checksum: most likely a mistyped address. */
function checksumFits(text: string): boolean {
  try {
    return getAddress(text.trim()) !== ''
  } catch {
    return false
  }
}
