'use client'
import type { AuditView } from '@freehold/appliance/api/schemas/audit'
import { useRouter, useSearchParams } from 'next/navigation'
import { useState } from 'react'
import { useNow } from '../api/host-context.tsx'
import { useTexts } from '../i18n/text-context.tsx'
import { ShortAddress } from '../ui/Address.tsx'
import { Button } from '../ui/Button.tsx'
import { Card } from '../ui/Card.tsx'
import { Empty } from '../ui/Empty.tsx'
import { TextField } from '../ui/Field.tsx'
import { textLink } from '../ui/link-button.ts'
import { Table } from '../ui/Table.tsx'
import { MoreButton } from './MoreButton.tsx'
import { useMorePages } from './more-pages.ts'
import { operatorApi, type AuditPage as Page } from './operator-api.ts'
import { OperatorPage } from './OperatorPage.tsx'
import { TransactionLink } from './TransactionLink.tsx'

/** `/operator/audit`: who did what to what, and how it ended; by target, and whole as JSON lines (O1). */
export function AuditPage() {
  const { t } = useTexts()
  const target = useSearchParams().get('target') ?? ''
  return (
    <OperatorPage
      title={t('operator.nav.audit')}
      lead={t('operator.audit.lead')}
      aside={
        <a href="/v1/audit/export" download="freehold-audit.jsonl" className={textLink}>
          {t('operator.audit.export')}
        </a>
      }
      behind={{ api: 'GET /v1/audit, GET /v1/audit/export' }}
      name={`audit ${target}`}
      load={(signal) => operatorApi.audit(target === '' ? undefined : target, undefined, signal)}
      everyMs={10_000}
    >
      {(page) => <Trail key={target} page={page} target={target} />}
    </OperatorPage>
  )
}

function Trail({ page, target }: { page: Page; target: string }) {
  const { t, when } = useTexts()
  const now = useNow()
  const router = useRouter()
  const [text, setText] = useState(target)
  const older = useMorePages<AuditView>(page.nextCursor, (cursor) =>
    operatorApi.audit(target === '' ? undefined : target, cursor),
  )
  const rows = [...page.items, ...older.older].map((record, i) => ({ ...record, key: `${i}` }))
  const show = (to: string) => router.replace(`/operator/audit${to === '' ? '' : `?target=${encodeURIComponent(to)}`}`)
  return (
    <Card className="space-y-5">
      <form
        className="flex flex-wrap items-end gap-3"
        onSubmit={(event) => {
          event.preventDefault()
          show(text.trim())
        }}
      >
        <div className="min-w-0 flex-1 basis-60">
          <TextField
            label={t('operator.audit.target')}
            hint={t('operator.audit.target.hint')}
            value={text}
            maxLength={100}
            onChange={(e) => setText(e.target.value)}
          />
        </div>
        <Button type="submit" look="secondary">
          {t('operator.audit.show')}
        </Button>
      </form>
      {rows.length === 0 ? (
        <Empty title={t('operator.audit.none.title')} text={t('operator.audit.none.text')} />
      ) : (
        <Table
          caption={t('operator.nav.audit')}
          rows={rows}
          keyOf={(row) => row.key}
          columns={[
            { id: 'what', label: t('operator.audit.what'), cell: (row) => row.what },
            {
              id: 'who',
              label: t('operator.audit.who'),
              cell: (row) => (/^0x[0-9a-f]{40}$/i.test(row.who) ? <ShortAddress value={row.who} /> : row.who),
            },
            { id: 'target', label: t('operator.audit.target'), cell: (row) => row.target },
            {
              id: 'result',
              label: t('operator.audit.result'),
              cell: (row) => (
                <>
                  {row.result} {row.transactionHash !== null && <TransactionLink hash={row.transactionHash} />}
                </>
              ),
            },
            { id: 'at', label: t('operator.audit.at'), cell: (row) => when(row.at, now) },
          ]}
        />
      )}
      <MoreButton pages={older} />
    </Card>
  )
}
