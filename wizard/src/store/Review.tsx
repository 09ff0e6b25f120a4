'use client'
import type { PlanView, Quote } from '@freehold/appliance/api/schemas/status'
import { useEffect, useRef } from 'react'
import { PageFailure } from '../api/failure.ts'
import { useHost } from '../api/host-context.tsx'
import { useResource } from '../api/use-resource.ts'
import { balanceOf, calldata, nativeToken } from '../chain/contract.ts'
import { purchaseFee } from '../chain/send.ts'
import { aboutAmount } from '../format/money.ts'
import { shortAddress } from '../format/address.ts'
import { machineParts } from '../wasm/plan-text.ts'
import { utcTime } from '../format/time.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { About } from '../ui/About.tsx'
import { ShortAddress } from '../ui/Address.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Facts } from '../ui/Facts.tsx'
import { usePress } from '../ui/use-press.ts'
import { WalletBox } from '../wallet/WalletBox.tsx'
import { useWallets } from '../wallet/wallet-context.tsx'
import { Confirmations } from './Confirmations.tsx'
import { neededConfirmations, pay, type TokenPrice } from './payment.ts'

interface ReviewProps {
  plan: PlanView
  price: TokenPrice
  quote: Quote
  recipient: string | null
  /** Why it cannot be bought now. */
  closed: string | undefined
  onEdit(): void
  onSent(hash: string): void
}

/** Everything that the wallet will ask, before it opens (S4); then how many confirmations and which is open (S5). */
export function Review({ plan, price, quote, recipient, closed, onEdit, onSent }: ReviewProps) {
  const { t, locale, money, length } = useTexts()
  const { status, now } = useHost()
  const { current: wallet } = useWallets()
  const { at: open, error, run } = usePress<{ index: number; stage: 'wallet' | 'network' }>()
  const heading = useRef<HTMLDivElement>(null)
  useEffect(() => heading.current?.focus(), [])

  const amount = BigInt(quote.price)
  const payer = wallet?.address
  const target = recipient ?? payer
  const rightNetwork = wallet !== undefined && wallet.chainId === status?.chain.chainId
  const call =
    payer === undefined || target === undefined
      ? undefined
      : calldata.buy(plan.planId, price.token, quote.seconds, amount, target)
  const facts = useResource(payer === undefined ? null : `pay ${payer} ${price.token} ${quote.price}`, async () => {
    const [balance, confirmations] = await Promise.all([
      balanceOf(price.token, payer ?? ''),
      neededConfirmations(price, amount, payer ?? '', quote.contract),
    ])
    return { balance, confirmations }
  })
  const fee = useResource(call === undefined ? null : `fee ${call}`, () =>
    purchaseFee(payer ?? '', { to: quote.contract, data: call ?? '', value: price.token === nativeToken ? amount : 0n }),
  )
  const balance = facts.data?.balance
  const short = balance !== undefined && balance < amount
  const confirmations = facts.data?.confirmations ?? ['pay']

  async function send() {
    if (wallet === undefined || call === undefined || target === undefined || facts.data === undefined) return
    const needed = facts.data.confirmations
    const sent = await run(async (at) => {
      const hash = await pay(
        {
          wallet,
          price,
          quote,
          now: now() ?? 0,
          call,
          callWithPermit: (permit) => calldata.buyWithPermit(plan.planId, price.token, quote.seconds, amount, target, permit),
          onStep: (index, stage) => at({ index, stage }),
        },
        needed,
      )
      onSent(hash)
    })
    if (!sent) facts.reload()
  }

  const reason =
    closed ??
    (wallet === undefined
      ? t('error.wallet.gone.hint')
      : !rightNetwork
        ? t('wallet.wrongNetwork', { wallet: wallet.name, network: status?.chain.name ?? '' })
        : short && balance !== undefined
          ? t('review.noFunds', { balance: money(balance, price), needed: money(amount, price) })
          : undefined)
  const refused = fee.error instanceof PageFailure && fee.error.code === 'reverted' && confirmations.length === 1 && !short
  return (
    <Card className="space-y-6">
      <div ref={heading} tabIndex={-1} className="flex flex-wrap items-start gap-3 outline-none sm:flex-nowrap">
        <div className="min-w-0 grow basis-60">
          <CardTitle>{t('buy.review')}</CardTitle>
          <p className="mt-1 text-soft">{t('review.text')}</p>
        </div>
        {open === undefined && (
          <Button look="secondary" onClick={onEdit}>
            {t('buy.edit')}
          </Button>
        )}
      </div>
      <Facts
        facts={[
          { label: t('review.plan'), value: <bdi>{plan.name}</bdi> },
          {
            label: t('review.machine'),
            value: machineParts(plan, { t, locale }).join(', '),
          },
          { label: t('review.period'), value: length(quote.seconds) },
          {
            label: t('review.ends'),
            value: t('review.ends.value', { time: utcTime((now() ?? 0) + quote.seconds, locale), period: length(quote.seconds) }),
          },
          {
            label: t('review.total'),
            value: (
              <>
                <span className="tabular text-lg font-semibold">{money(amount, quote)}</span>
                <About units={amount} token={quote} />
              </>
            ),
          },
          {
            label: t('review.token'),
            value: (
              <>
                {price.symbol}
                {balance !== undefined && (
                  <span className="font-normal text-soft">, {t('wallet.balance', { amount: money(balance, price) })}</span>
                )}
              </>
            ),
          },
          {
            label: t('review.fee'),
            value:
              payer === undefined || (fee.data === undefined && fee.error !== undefined)
                ? t('review.fee.unknown')
                : fee.data === undefined
                  ? t('review.fee.wait')
                  : t('review.fee.value', { amount: aboutAmount(fee.data, 18, 'ETH', locale) }),
          },
          {
            label: t('review.network'),
            value:
              status === undefined
                ? '…'
                : t('common.networkName', { name: status.chain.name, chainId: String(status.chain.chainId) }),
          },
          { label: t('review.contract'), value: <ShortAddress value={quote.contract} /> },
          {
            label: t('review.recipient'),
            value:
              target === undefined ? (
                t('buy.recipient.mine')
              ) : recipient === null ? (
                t('review.recipient.self', { address: shortAddress(target) })
              ) : (
                <ShortAddress value={target} />
              ),
          },
          { label: t('review.refund'), value: t('review.refund.value', { minimum: length(plan.minSeconds) }) },
          { label: t('review.disk'), value: t('review.disk.value') },
          { label: t('review.earning'), value: t('review.earning.value') },
        ]}
      />
      <div className="border-t border-line pt-6">
        <WalletBox />
      </div>
      {wallet !== undefined && rightNetwork && <Confirmations kinds={confirmations} amount={money(amount, quote)} open={open} />}
      {facts.error !== undefined && <ErrorBox error={facts.error} />}
      {error === undefined && refused && <ErrorBox error={fee.error} />}
      {error !== undefined && <ErrorBox error={error} focus />}
      <Button
        wide
        onClick={() => void send()}
        busy={
          open !== undefined
            ? t(open.stage === 'wallet' ? 'review.paying' : 'tx.sent')
            : payer !== undefined && facts.data === undefined && facts.error === undefined
              ? t('common.loading')
              : undefined
        }
        disabledReason={reason}
      >
        {t('review.pay', { amount: money(amount, quote) })}
      </Button>
    </Card>
  )
}
