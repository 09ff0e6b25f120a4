'use client'
import type { VmView } from '@freehold/appliance/api/schemas/vms'
import { useState } from 'react'
import { useHost, useNow } from '../api/host-context.tsx'
import { api } from '../api/resources.ts'
import { useResource } from '../api/use-resource.ts'
import { calldata } from '../chain/contract.ts'
import { waitIncluded } from '../chain/send.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { About } from '../ui/About.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { TextField } from '../ui/Field.tsx'
import { Facts } from '../ui/Facts.tsx'
import { Notice } from '../ui/Notice.tsx'
import { Confirmations } from '../store/Confirmations.tsx'
import { neededConfirmations, pay, type ConfirmationKind } from '../store/payment.ts'
import { daySeconds, extensionRange, parseDays } from '../store/period.ts'
import { WalletBox } from '../wallet/WalletBox.tsx'
import { usePress } from '../ui/use-press.ts'
import { useWallets } from '../wallet/wallet-context.tsx'
import { useSenderReason } from '../wallet/use-sender-reason.ts'

/** Adds time at the plan's present price, in the token of the purchase; anyone may pay (S11). */
export function Extend({ vm, reload }: { vm: VmView; reload(): void }) {
  const { t, money, when, length } = useTexts()
  const { now: hostNow } = useHost()
  const now = useNow()
  const { current: wallet } = useWallets()
  const s = vm.subscription
  const { data: plans } = useResource('plans', api.plans)
  const plan = plans?.plans.find((p) => p.installation === s.installation && p.planId === s.planId)
  const price = plan?.prices.find((p) => p.token.toLowerCase() === s.token.toLowerCase())
  const range = plan === undefined ? undefined : extensionRange(plan, s.expiresAt, now)
  const [text, setText] = useState<string>()
  const preset = range === undefined ? '' : String(Math.min(30, Math.max(range.min, range.max)))
  const value = text ?? preset
  const days = range === undefined ? undefined : parseDays(value, range)
  const quote = useResource(days === undefined || price === undefined ? null : `quote ${s.planId} ${s.token} ${days}`, (signal) =>
    api.quote(s.planId, s.token, (days ?? 0) * daySeconds, signal),
  )
  const reason = useSenderReason()
  const [confirmations, setConfirmations] = useState<ConfirmationKind[]>()
  const { at: open, error, press } = usePress<{ index: number; stage: 'wallet' | 'network' }>()
  const [done, setDone] = useState(false)

  function send() {
    if (wallet === undefined || price === undefined || quote.data === undefined || days === undefined) return
    const owed = quote.data.price
    setDone(false)
    press(
      async (now) => {
        // the contract takes a permit for a purchase only: an extension approves exactly its price
        const needed = await neededConfirmations({ ...price, permit: false }, BigInt(owed), wallet.address, s.contract)
        setConfirmations(needed)
        const hash = await pay(
          {
            wallet,
            price,
            quote: { contract: s.contract, price: owed },
            now: hostNow() ?? 0,
            call: calldata.extend(s.tokenId, days * daySeconds, BigInt(owed)),
            onStep: (index, stage) => now({ index, stage }),
          },
          needed,
        )
        now({ index: needed.length - 1, stage: 'network' })
        await waitIncluded(hash)
        setDone(true)
        setText(undefined)
        reload()
      },
      { index: 0, stage: 'wallet' },
    )
  }

  if (plan === undefined || range === undefined) return null
  const full = range.max < range.min
  const newEnd = Math.max(now, s.expiresAt) + (days ?? 0) * daySeconds
  return (
    <Card className="space-y-4">
      <CardTitle>{t('extend.title')}</CardTitle>
      <p>{t('extend.text')}</p>
      {done && (
        <Notice tone="good" live>
          <p>{t('extend.done')}</p>
        </Notice>
      )}
      {price === undefined ? (
        <p>{t('extend.unlisted', { symbol: s.symbol })}</p>
      ) : full ? (
        <p>{t('extend.full')}</p>
      ) : (
        <form
          noValidate
          className="space-y-5"
          onSubmit={(event) => {
            event.preventDefault()
            if (days === undefined) event.currentTarget.querySelector('input')?.focus()
            else if (reason === undefined && open === undefined) send()
          }}
        >
          <div className="max-w-60">
            <TextField
              label={t('extend.days')}
              hint={t('extend.days.hint', { min: length(plan.minSeconds), max: length(plan.maxSeconds) })}
              inputMode="numeric"
              autoComplete="off"
              value={value}
              onChange={(e) => setText(e.target.value)}
              error={days === undefined ? t('extend.days.wrong', { min: range.min, max: range.max }) : undefined}
            />
          </div>
          <Facts
            facts={[
              {
                label: t('extend.price'),
                value: (
                  <>
                    <span className="tabular">{quote.data === undefined ? '…' : money(quote.data.price, quote.data)}</span>
                    {quote.data !== undefined && <About units={quote.data.price} token={quote.data} />}
                  </>
                ),
              },
              { label: t('extend.newEnd'), value: days === undefined ? '…' : when(newEnd, now) },
            ]}
          />
          {reason !== undefined && <WalletBox />}
          {open !== undefined && confirmations !== undefined && quote.data !== undefined && (
            <Confirmations kinds={confirmations} amount={money(quote.data.price, quote.data)} open={open} />
          )}
          {quote.error !== undefined && <ErrorBox error={quote.error} />}
          {error !== undefined && <ErrorBox error={error} focus />}
          <Button
            type="submit"
            busy={
              open !== undefined
                ? t(open.stage === 'wallet' ? 'tx.wallet' : 'tx.sent')
                : days !== undefined && quote.data === undefined && quote.error === undefined
                  ? t('common.loading')
                  : undefined
            }
            disabledReason={reason}
          >
            {t('extend.submit', { amount: quote.data === undefined ? '…' : money(quote.data.price, quote.data) })}
          </Button>
        </form>
      )}
    </Card>
  )
}
