'use client'
import type { WasmKey } from '@freehold/appliance/api/schemas/wasm'
import { useState } from 'react'
import { distance } from '../format/time.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { ShortAddress } from '../ui/Address.tsx'
import { Button } from '../ui/Button.tsx'
import { Badge } from '../ui/Notice.tsx'

/** API keys, those that count first. Revoking is asked twice, in place. */
export function KeyList(props: {
  keys: readonly WasmKey[]
  now: number
  /** Shows whose each one is. */
  owners?: boolean
  onRotate?(id: string): void
  onRevoke(id: string): void
}) {
  const { t } = useTexts()
  const over = (key: WasmKey) => (key.revokedAt ?? Infinity) <= props.now || (key.expiresAt ?? Infinity) <= props.now
  const sorted = props.keys.toSorted((a, b) => Number(over(a)) - Number(over(b)) || b.createdAt - a.createdAt)
  if (sorted.length === 0) return <p className="text-soft">{t('wasm.keys.empty')}</p>
  return (
    <ul className="divide-y divide-line border-t border-line">
      {sorted.map((key) => (
        <Row key={key.id} row={key} over={over(key)} {...props} />
      ))}
    </ul>
  )
}

function Row({
  row,
  over,
  now,
  owners = false,
  onRotate,
  onRevoke,
}: {
  row: WasmKey
  over: boolean
  now: number
  owners?: boolean
  onRotate?(id: string): void
  onRevoke(id: string): void
}) {
  const { t, locale } = useTexts()
  const [asked, setAsked] = useState(false)
  const ago = (at: number) => distance(at, now, locale)
  const end = Math.min(row.revokedAt ?? Infinity, row.expiresAt ?? Infinity)
  const state = !over
    ? Number.isFinite(end)
      ? t('wasm.keys.ends', { time: ago(end) })
      : t('wasm.keys.live')
    : (row.revokedAt ?? Infinity) <= now
      ? t('wasm.keys.revoked')
      : t('wasm.keys.expired')
  return (
    <li className="space-y-2 py-4">
      <p className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <bdi className="min-w-0 font-medium break-words">{row.label}</bdi>
        <code className="font-mono text-sm text-soft">{row.id}</code>
        <Badge tone={over ? 'info' : 'good'}>{state}</Badge>
      </p>
      <p className="text-sm text-soft">
        {t('wasm.keys.made', { time: ago(row.createdAt) })} ·{' '}
        {row.lastUsedAt === null ? t('wasm.keys.unused') : t('wasm.keys.used', { time: ago(row.lastUsedAt) })}
        {owners && (
          <>
            {' · '}
            {row.wallet === null ? t('wasm.keys.operator') : <ShortAddress value={row.wallet} />}
          </>
        )}
      </p>
      {!over && !asked && (
        <div className="flex flex-wrap gap-x-5">
          {onRotate !== undefined && (
            <Button look="quiet" onClick={() => onRotate(row.id)}>
              {t('wasm.keys.rotate', { label: row.label })}
            </Button>
          )}
          <Button look="quiet" onClick={() => setAsked(true)}>
            {t('wasm.keys.revoke', { label: row.label })}
          </Button>
        </div>
      )}
      {!over && asked && (
        <div className="flex flex-wrap gap-3">
          <Button
            look="danger"
            onClick={() => {
              setAsked(false)
              onRevoke(row.id)
            }}
          >
            {t('wasm.keys.sure', { label: row.label })}
          </Button>
          <Button look="secondary" onClick={() => setAsked(false)}>
            {t('wasm.keys.keep')}
          </Button>
        </div>
      )}
    </li>
  )
}
