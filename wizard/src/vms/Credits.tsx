'use client'
import { useState } from 'react'
import { useHost } from '../api/host-context.tsx'
import { api } from '../api/resources.ts'
import { useResource } from '../api/use-resource.ts'
import { calldata, creditedTo } from '../chain/contract.ts'
import { sameAddress, shortAddress } from '../format/address.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Notice } from '../ui/Notice.tsx'
import { WalletBox } from '../wallet/WalletBox.tsx'
import { useWallets } from '../wallet/wallet-context.tsx'
import { useTransaction } from './use-transaction.ts'

interface Credit {
  contract: string
  token: string
  symbol: string
  decimals: number
  amount: bigint
}

/** Refunds that the contracts keep for an address, each with its withdrawal (S8). Shows nothing where there are none. */
export function Credits({ who }: { who: string }) {
  const { t, money } = useTexts()
  const { status } = useHost()
  const contracts = status?.contracts.map((c) => c.address) ?? []
  const { data, reload } = useResource(
    contracts.length === 0 ? null : `credits ${who} ${contracts.join(' ')}`,
    async (signal) => {
      const { plans } = await api.plans(signal)
      const tokens = new Map(plans.flatMap((p) => p.prices.map((price) => [price.token, price] as const)))
      const found = await Promise.all(
        contracts.flatMap((contract) =>
          [...tokens.values()].map(async ({ token, symbol, decimals }): Promise<Credit> => ({
            contract,
            token,
            symbol,
            decimals,
            amount: await creditedTo(contract, token, who),
          })),
        ),
      )
      return found.filter((c) => c.amount > 0n)
    },
    15_000,
  )
  const [done, setDone] = useState<string>()
  const { current: wallet } = useWallets()
  if (data === undefined || (data.length === 0 && done === undefined)) return null
  return (
    <Card className="space-y-4">
      <CardTitle>{t('credit.title')}</CardTitle>
      {done !== undefined && (
        <Notice tone="good" live>
          <p>{done}</p>
        </Notice>
      )}
      {wallet === undefined && data.length > 0 && <WalletBox />}
      {data.map((credit) => (
        <CreditRow
          key={`${credit.contract} ${credit.token}`}
          credit={credit}
          who={who}
          onDone={() => {
            setDone(t('credit.done', { amount: money(credit.amount, credit), address: shortAddress(who) }))
            reload()
          }}
        />
      ))}
    </Card>
  )
}

function CreditRow({ credit, who, onDone }: { credit: Credit; who: string; onDone(): void }) {
  const { t, money } = useTexts()
  const { current: wallet } = useWallets()
  const { run, stage, error } = useTransaction()
  const other = wallet !== undefined && !sameAddress(wallet.address, who)
  return (
    <div className="space-y-4">
      <p>{t('credit.text', { amount: money(credit.amount, credit), address: shortAddress(who) })}</p>
      {error !== undefined && <ErrorBox error={error} focus />}
      <Button
        onClick={() => void run({ to: credit.contract, data: calldata.withdraw(credit.token, who) }).then((ok) => ok && onDone())}
        busy={stage === undefined ? undefined : t(stage === 'wallet' ? 'tx.wallet' : 'tx.sent')}
        disabledReason={
          wallet === undefined
            ? t('error.wallet.gone.hint')
            : other
              ? t('holder.reason', { address: shortAddress(who) })
              : undefined
        }
      >
        {t('credit.withdraw', { amount: money(credit.amount, credit) })}
      </Button>
    </div>
  )
}
