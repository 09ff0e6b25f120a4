'use client'
import { z } from 'zod'
import { rpc } from '../chain/rpc.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Address } from '../ui/Address.tsx'
import { Card } from '../ui/Card.tsx'
import { CopyField } from '../ui/Copy.tsx'
import { Empty } from '../ui/Empty.tsx'
import { Facts } from '../ui/Facts.tsx'
import { Badge } from '../ui/Notice.tsx'
import { OperatorPage } from './OperatorPage.tsx'

const hex = z.string().regex(/^0x[0-9a-fA-F]*$/)
const receiptSchema = z
  .looseObject({ status: hex, from: hex, to: hex.nullable(), blockNumber: hex, gasUsed: hex, effectiveGasPrice: hex })
  .nullable()
type Receipt = NonNullable<z.output<typeof receiptSchema>>

/** `/operator/transactions/[hash]`: what the network itself says of a transaction, asked through the host's own node. */
export function TransactionPage({ hash }: { hash: string }) {
  const { t } = useTexts()
  return (
    <OperatorPage
      title={t('operator.money.transaction')}
      behind={{ api: 'POST /v1/rpc eth_getTransactionReceipt' }}
      name={`transaction ${hash}`}
      load={async () => ({ receipt: receiptSchema.parse((await rpc('eth_getTransactionReceipt', [hash])) ?? null) })}
    >
      {({ receipt }) =>
        receipt === null ? (
          <Empty title={t('operator.tx.none.title')} text={t('operator.tx.none.text')} />
        ) : (
          <Told hash={hash} receipt={receipt} />
        )
      }
    </OperatorPage>
  )
}

function Told({ hash, receipt }: { hash: string; receipt: Receipt }) {
  const { t, money, locale } = useTexts()
  const worked = BigInt(receipt.status) === 1n
  const fee = BigInt(receipt.gasUsed) * BigInt(receipt.effectiveGasPrice)
  const number = (value: string) => new Intl.NumberFormat(locale).format(BigInt(value))
  return (
    <Card className="space-y-5">
      <Badge tone={worked ? 'good' : 'bad'}>{t(worked ? 'operator.tx.worked' : 'operator.tx.failed')}</Badge>
      <CopyField label={t('operator.tx.hash')} value={hash} wrap />
      <Facts
        facts={[
          { label: t('operator.tx.from'), value: <Address value={receipt.from} what={t('operator.tx.from')} /> },
          ...(receipt.to === null
            ? []
            : [{ label: t('operator.tx.to'), value: <Address value={receipt.to} what={t('operator.tx.to')} /> }]),
          { label: t('operator.money.block'), value: number(receipt.blockNumber) },
          { label: t('operator.tx.gas'), value: number(receipt.gasUsed) },
          { label: t('operator.money.fee'), value: money(fee, { decimals: 18, symbol: 'ETH' }) },
        ]}
      />
    </Card>
  )
}
