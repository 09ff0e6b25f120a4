'use client'
import { moneyFigureSchema, type Money, type MoneyEntry, type MoneyFigure } from '@freehold/appliance/api/schemas/operator'
import Link from 'next/link'
import { useSearchParams } from 'next/navigation'
import type { ReactNode } from 'react'
import { useHost, useNow } from '../api/host-context.tsx'
import { useResource } from '../api/use-resource.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Address } from '../ui/Address.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Facts } from '../ui/Facts.tsx'
import { textLink } from '../ui/link-button.ts'
import { Loading } from '../ui/Loading.tsx'
import { Skeleton } from '../ui/Skeleton.tsx'
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

/**
 * `/operator/money`: what is earned, held and collected, and what the host's own key spends. Each figure leads to the acts that it
 * is made of (`?figure= &token=`), each act to its transaction.
 */
export function MoneyPage() {
  const { t } = useTexts()
  return (
    <OperatorPage
      title={t('operator.nav.money')}
      lead={t('operator.money.lead')}
      behind={{ api: 'GET /v1/money, GET /v1/money/entries' }}
      name="money"
      load={operatorApi.money}
      everyMs={10_000}
    >
      {(money, { reload }) => (
        <>
          <Card>
            <WalletBox />
          </Card>
          {money.tokens.map((token) => (
            <TokenCard key={token.token} token={token} reload={reload} />
          ))}
          <Movements tokens={money.tokens} />
          <ProvisionerCard provisioner={money.provisioner} />
        </>
      )}
    </OperatorPage>
  )
}

function TokenCard({ token, reload }: { token: Money['tokens'][number]; reload(): void }) {
  const { t, money } = useTexts()
  const { status } = useHost()
  const figure = (of: MoneyFigure) => {
    const amount = token[of]
    return {
      label: t(`operator.money.${of}`),
      value:
        amount === null ? (
          t('operator.money.unknown')
        ) : (
          <FigureLink
            href={`/operator/money?figure=${of}&token=${token.token}#movements`}
            leadsTo={t('operator.money.movements')}
          >
            {money(amount, token)}
          </FigureLink>
        ),
    }
  }
  const nothing =
    token.collectable === null ? t('operator.money.unknown') : token.collectable === '0' ? t('operator.money.nothing') : undefined
  return (
    <Card className="space-y-4">
      <CardTitle>{token.symbol}</CardTitle>
      <Facts facts={[figure('collectable'), figure('unsettled'), figure('escrowed'), figure('collected')]} />
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

/** An amount that leads to what it is made of, and says so to those who do not see where it stands. */
function FigureLink({ href, leadsTo, children }: { href: string; leadsTo: string; children: ReactNode }) {
  return (
    <Link href={href} className={textLink}>
      {children}
      <span className="sr-only">: {leadsTo}</span>
    </Link>
  )
}

/** All movements, or those behind one figure, as the address says. */
function Movements({ tokens }: { tokens: Money['tokens'] }) {
  const { t } = useTexts()
  const asked = useSearchParams()
  const figure = moneyFigureSchema.safeParse(asked.get('figure')).data
  const token = figure === undefined ? undefined : tokens.find((one) => one.token === asked.get('token'))
  const { data, error } = useResource(`entries ${figure}`, (signal) => operatorApi.entries(figure, undefined, signal), 10_000)
  return (
    <div id="movements" className="scroll-mt-4">
      <Card className="space-y-5">
        <CardTitle>{t('operator.money.entries')}</CardTitle>
        {figure !== undefined && (
          <p role="status" className="space-x-3">
            <span>
              {t('operator.money.entries.of', {
                figure: t(`operator.money.${figure}`),
                symbol: token?.symbol ?? t('operator.money.unknown'),
              })}
            </span>
            <Link href="/operator/money#movements" className={textLink}>
              {t('operator.money.entries.all')}
            </Link>
          </p>
        )}
        {data !== undefined ? (
          <EntryList key={`${figure} ${token?.token}`} figure={figure} first={data} token={token?.token} />
        ) : error !== undefined ? (
          <ErrorBox error={error} />
        ) : (
          <Loading>
            <Skeleton className="h-72 rounded-2xl" />
          </Loading>
        )}
      </Card>
    </div>
  )
}

/** The movements of one figure, or all; of one token, or any. */
function EntryList({ figure, first, token }: { figure: MoneyFigure | undefined; first: Entries; token: string | undefined }) {
  const { t, money, locale } = useTexts()
  const older = useMorePages<MoneyEntry>(first.nextCursor, (cursor) => operatorApi.entries(figure, cursor))
  const key = (e: MoneyEntry) => `${e.transactionHash} ${e.kind} ${e.tokenId} ${e.amount}`
  const known = new Set(first.items.map(key))
  const all = [...first.items, ...older.older.filter((e) => !known.has(key(e)))]
  const rows = token === undefined ? all : all.filter((e) => e.token?.token === token)
  return (
    <>
      {rows.length === 0 ? (
        <p className="text-soft">{t(figure === undefined ? 'operator.money.entries.none' : 'operator.money.entries.noneOf')}</p>
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
    </>
  )
}

function ProvisionerCard({ provisioner }: { provisioner: Money['provisioner'] }) {
  const { t, money, when } = useTexts()
  const now = useNow()
  const sent = (wei: string) =>
    provisioner.transactions.length === 0 ? (
      money(wei, coin)
    ) : (
      <FigureLink href="#sent" leadsTo={t('operator.money.transactions')}>
        {money(wei, coin)}
      </FigureLink>
    )
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
            value: provisioner.balanceWei === null ? t('operator.money.unknown') : sent(provisioner.balanceWei),
          },
          { label: t('operator.money.spent'), value: sent(provisioner.spentDayWei) },
        ]}
      />
      {provisioner.transactions.length > 0 && (
        <div id="sent" className="scroll-mt-4">
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
        </div>
      )}
    </Card>
  )
}
