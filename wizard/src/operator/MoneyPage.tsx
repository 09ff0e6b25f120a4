'use client'
import type { Money, MoneyEntry } from '@freehold/appliance/api/schemas/operator'
import { useHost, useNow } from '../api/host-context.tsx'
import { useTexts } from '../i18n/text-context.tsx'
import { Address } from '../ui/Address.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { Facts } from '../ui/Facts.tsx'
import { Table } from '../ui/Table.tsx'
import { WalletBox } from '../wallet/WalletBox.tsx'
import { MoreButton } from './MoreButton.tsx'
import { useMorePages } from './more-pages.ts'
import { operatorApi, type Entries } from './operator-api.ts'
import { OperatorPage } from './OperatorPage.tsx'
import { OwnerButton } from './OwnerButton.tsx'
import { ownerCalldata } from './owner-calldata.ts'
import { TransactionLink } from './TransactionLink.tsx'
import { VmLink } from './VmLink.tsx'

const coin = { decimals: 18, symbol: 'ETH' }

interface Loaded {
  money: Money
  entries: Entries
}

async function load(signal: AbortSignal): Promise<Loaded> {
  const [money, entries] = await Promise.all([operatorApi.money(signal), operatorApi.entries(undefined, signal)])
  return { money, entries }
}

/** `/operator/money`: what is earned, held and collected, and what the host's own key spends; each act with its transaction. */
export function MoneyPage() {
  const { t } = useTexts()
  return (
    <OperatorPage
      title={t('operator.nav.money')}
      lead={t('operator.money.lead')}
      behind={{ api: 'GET /v1/money, GET /v1/money/entries' }}
      name="money"
      load={load}
      everyMs={10_000}
    >
      {({ money, entries }, { reload }) => (
        <>
          <Card>
            <WalletBox />
          </Card>
          {money.tokens.map((token) => (
            <TokenCard key={token.token} token={token} reload={reload} />
          ))}
          <EntryList first={entries} />
          <ProvisionerCard provisioner={money.provisioner} />
        </>
      )}
    </OperatorPage>
  )
}

function TokenCard({ token, reload }: { token: Money['tokens'][number]; reload(): void }) {
  const { t, money } = useTexts()
  const { status } = useHost()
  const nothing =
    token.collectable === null ? t('operator.money.unknown') : token.collectable === '0' ? t('operator.money.nothing') : undefined
  return (
    <Card className="space-y-4">
      <CardTitle>{token.symbol}</CardTitle>
      <Facts
        facts={[
          {
            label: t('operator.money.collectable'),
            value: token.collectable === null ? t('operator.money.unknown') : money(token.collectable, token),
          },
          { label: t('operator.money.unsettled'), value: money(token.unsettled, token) },
          { label: t('operator.money.escrowed'), value: money(token.escrowed, token) },
          { label: t('operator.money.collected'), value: money(token.collected, token) },
        ]}
      />
      <p className="text-soft">{t('operator.money.explained')}</p>
      {status?.contracts.map(({ address, installation }) => (
        <OwnerButton
          key={installation}
          contract={address}
          data={() => ownerCalldata.collect(token.token)}
          disabledReason={nothing}
          onDone={reload}
        >
          {t('operator.money.collect', { symbol: token.symbol })}
        </OwnerButton>
      ))}
    </Card>
  )
}

function EntryList({ first }: { first: Entries }) {
  const { t, money, locale } = useTexts()
  const older = useMorePages<MoneyEntry>(first.nextCursor, (cursor) => operatorApi.entries(cursor))
  const key = (e: MoneyEntry) => `${e.transactionHash} ${e.kind} ${e.tokenId} ${e.amount}`
  const known = new Set(first.items.map(key))
  const rows = [...first.items, ...older.older.filter((e) => !known.has(key(e)))]
  return (
    <Card className="space-y-5">
      <CardTitle>{t('operator.money.entries')}</CardTitle>
      {rows.length === 0 ? (
        <p className="text-soft">{t('operator.money.entries.none')}</p>
      ) : (
        <Table
          caption={t('operator.money.entries')}
          rows={rows}
          keyOf={key}
          columns={[
            { id: 'kind', label: t('operator.money.act'), cell: (e) => t(`operator.money.kind.${e.kind}`) },
            {
              id: 'vm',
              label: t('operator.vm'),
              cell: (e) => (e.vmId === null ? t('vm.none') : <VmLink vmId={e.vmId} />),
            },
            {
              id: 'amount',
              label: t('operator.money.amount'),
              numeric: true,
              cell: (e) => (e.token === null ? t('operator.money.unknown') : money(e.amount, e.token)),
            },
            {
              id: 'block',
              label: t('operator.money.block'),
              numeric: true,
              cell: (e) => new Intl.NumberFormat(locale).format(e.block),
            },
            { id: 'tx', label: t('operator.money.transaction'), cell: (e) => <TransactionLink hash={e.transactionHash} /> },
          ]}
        />
      )}
      <MoreButton pages={older} />
    </Card>
  )
}

function ProvisionerCard({ provisioner }: { provisioner: Money['provisioner'] }) {
  const { t, money, when } = useTexts()
  const now = useNow()
  return (
    <Card className="space-y-5">
      <div>
        <CardTitle>{t('operator.money.provisioner')}</CardTitle>
        <p className="mt-1 text-soft">{t('operator.money.provisioner.text')}</p>
      </div>
      <Facts
        facts={[
          {
            label: t('operator.money.address'),
            value: <Address value={provisioner.address} what={t('operator.money.address')} />,
          },
          {
            label: t('operator.money.balance'),
            value: provisioner.balanceWei === null ? t('operator.money.unknown') : money(provisioner.balanceWei, coin),
          },
          { label: t('operator.money.spent'), value: money(provisioner.spentDayWei, coin) },
        ]}
      />
      {provisioner.transactions.length > 0 && (
        <Table
          caption={t('operator.money.sent')}
          rows={provisioner.transactions}
          keyOf={(row) => `${row.verb} ${row.vmId} ${row.createdAt} ${row.transactionHash}`}
          columns={[
            { id: 'verb', label: t('operator.money.act'), cell: (row) => t(`operator.money.verb.${row.verb}`) },
            {
              id: 'vm',
              label: t('operator.vm'),
              cell: (row) => <VmLink vmId={row.vmId} />,
            },
            {
              id: 'state',
              label: t('operator.vms.state'),
              cell: (row) => row.reason ?? t(`operator.money.state.${row.state}`),
            },
            { id: 'fee', label: t('operator.money.fee'), numeric: true, cell: (row) => money(row.feeWei, coin) },
            { id: 'when', label: t('operator.tasks.begun'), cell: (row) => when(row.createdAt, now) },
            {
              id: 'tx',
              label: t('operator.money.transaction'),
              cell: (row) => (row.transactionHash === null ? t('vm.none') : <TransactionLink hash={row.transactionHash} />),
            },
          ]}
        />
      )}
    </Card>
  )
}
