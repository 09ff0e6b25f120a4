'use client'
import type { NewWasmKey, WasmKey } from '@freehold/appliance/api/schemas/wasm'
import { useState } from 'react'
import { useHost } from '../api/host-context.tsx'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { CopyField } from '../ui/Copy.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { TextField } from '../ui/Field.tsx'
import { Notice } from '../ui/Notice.tsx'
import { usePress } from '../ui/use-press.ts'
import { KeyList } from './KeyList.tsx'
import { wasmApi } from './wasm-api.ts'

/** The wallet's API keys: make, rotate, revoke. A key's text is shown once, after it was made. */
export function Keys({ keys, now, changed }: { keys: readonly WasmKey[]; now: number; changed(): void }) {
  const { t } = useTexts()
  const { lost } = useHost()
  const [label, setLabel] = useState('')
  const [wrong, setWrong] = useState(false)
  const { busy, error, press } = usePress()
  const [made, setMade] = useState<NewWasmKey>()
  const act = (work: () => Promise<NewWasmKey | undefined>) =>
    press(async () => {
      setMade(await work())
      changed()
    })
  return (
    <Card className="space-y-5">
      <CardTitle>{t('wasm.keys')}</CardTitle>
      {made !== undefined && (
        <Notice tone="good" title={t('wasm.keys.shown')} live>
          <CopyField label={t('wasm.keys.text')} value={made.text} wrap />
        </Notice>
      )}
      {error !== undefined && <ErrorBox error={error} focus />}
      <form
        noValidate
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault()
          const text = label.trim()
          setWrong(text === '' || text.length > 80)
          if (text === '' || text.length > 80 || busy || lost) return
          act(async () => {
            const key = await wasmApi.newKey(text)
            setLabel('')
            return key
          })
        }}
      >
        <TextField
          label={t('wasm.keys.label')}
          value={label}
          maxLength={100}
          autoComplete="off"
          error={wrong ? t('wasm.keys.label.wrong') : undefined}
          onChange={(event) => setLabel(event.target.value)}
        />
        <Button
          type="submit"
          busy={busy ? t('wasm.keys.creating') : undefined}
          disabledReason={lost ? t('link.lost.reason') : undefined}
        >
          {t('wasm.keys.create')}
        </Button>
      </form>
      <KeyList
        keys={keys}
        now={now}
        onRotate={(id) => act(() => wasmApi.rotateKey(id))}
        onRevoke={(id) =>
          act(async () => {
            await wasmApi.revokeKey(id)
            return undefined
          })
        }
      />
    </Card>
  )
}
