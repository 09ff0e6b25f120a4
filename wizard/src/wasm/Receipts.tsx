'use client'
import type { wasmReceiptSchema } from '@freehold/appliance/api/schemas/wasm'
import { useState } from 'react'
import type { z } from 'zod'
import { useNow } from '../api/host-context.tsx'
import { useResource } from '../api/use-resource.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { CopyButton } from '../ui/Copy.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Badge } from '../ui/Notice.tsx'
import { claimsOf } from './claims.ts'
import { wasmApi } from './wasm-api.ts'

type Row = z.output<typeof wasmReceiptSchema>

/** The wallet's receipts, the newest first. */
export function Receipts({ sessionId }: { sessionId: string }) {
  const { t, when, locale } = useTexts()
  const now = useNow()
  const [pages, setPages] = useState(1)
  const { data, error } = useResource(
    `wasm-receipts ${sessionId} ${pages}`,
    async (signal) => {
      const items: Row[] = []
      let cursor: string | null | undefined
      for (let page = 0; page < pages && cursor !== null; page++) {
        const answer = await wasmApi.receipts(cursor, signal)
        items.push(...answer.items)
        cursor = answer.nextCursor
      }
      return { items, more: cursor != null }
    },
    10_000,
  )
  return (
    <Card className="space-y-4">
      <CardTitle>{t('wasm.receipts')}</CardTitle>
      {data === undefined && error !== undefined && <ErrorBox error={error} />}
      {data !== undefined && data.items.length === 0 && <p className="text-soft">{t('wasm.receipts.empty')}</p>}
      {data !== undefined && data.items.length > 0 && (
        <ul className="divide-y divide-line">
          {data.items.map((row) => {
            const claims = claimsOf(row.jws)
            return (
              <li key={row.index} className="flex flex-wrap items-center gap-x-4 gap-y-1 py-3">
                <span className="tabular font-medium">{t('wasm.receipts.place', { index: row.index })}</span>
                <Badge tone={claims.status === 'returned' ? 'good' : 'warn'}>{claims.status}</Badge>
                <span className="tabular">
                  {t('wasm.receipts.gas', { gas: new Intl.NumberFormat(locale).format(BigInt(claims.gasUsed)) })}
                </span>
                <span className="text-soft">{when(row.committedAt, now)}</span>
                <CopyButton value={row.jws} what={t('wasm.receipts.copy', { index: row.index })} />
              </li>
            )
          })}
        </ul>
      )}
      {data?.more === true && (
        <Button look="secondary" onClick={() => setPages((n) => n + 1)}>
          {t('wasm.receipts.more')}
        </Button>
      )}
    </Card>
  )
}
