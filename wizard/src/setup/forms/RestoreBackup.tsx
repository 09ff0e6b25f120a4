'use client'
import { pieceBytes } from '@freehold/appliance/api/schemas/restore'
import { useState } from 'react'
import { useTexts } from '../../i18n/text-context.tsx'
import { Button } from '../../ui/Button.tsx'
import { TextField } from '../../ui/Field.tsx'
import { usePress } from '../../ui/use-press.ts'
import { FormError } from '../FormError.tsx'
import { setupApi } from '../resources.ts'
import type { FieldsProps } from './fields.ts'

/** A host comes back from its sealed backup: the file is sent in pieces, opened by the host, and the daemon begins anew with it (W5). */
export function RestoreBackup({ wrong, tell }: Pick<FieldsProps, 'wrong' | 'tell'>) {
  const { t, locale } = useTexts()
  const [file, setFile] = useState<File>()
  const [key, setKey] = useState('')
  const { busy, at, error, press } = usePress(tell)
  const percent = new Intl.NumberFormat(locale, { style: 'percent' })

  function restore(chosen: File) {
    press(async (now) => {
      for (let offset = 0; offset < chosen.size; offset += pieceBytes) {
        now(t('setup.restore.sending', { share: percent.format(offset / chosen.size) }))
        const piece = new Uint8Array(await chosen.slice(offset, offset + pieceBytes).arrayBuffer())
        await setupApi.restorePiece(offset, base64(piece))
      }
      now(t('setup.restore.opening'))
      const { createdAt } = await setupApi.restore(key)
      setKey('')
      now(t('setup.restore.anew'))
      await begunAnew(createdAt)
      // every page is filled from the backup now
      location.assign('/setup')
    })
  }

  const missing = file === undefined ? t('setup.restore.noFile') : key === '' ? t('setup.restore.noKey') : undefined
  return (
    <fieldset className="space-y-4 rounded-xl border border-line p-4">
      <legend className="px-1 font-semibold">{t('setup.restore')}</legend>
      <p className="max-w-prose text-soft">{t('setup.restore.text')}</p>
      <TextField
        label={t('setup.restore.file')}
        hint={t('setup.restore.fileHint')}
        type="file"
        accept=".age"
        onChange={(e) => setFile(e.target.files?.[0])}
      />
      <TextField
        label={t('setup.restore.key')}
        hint={t('setup.restore.keyHint')}
        {...wrong('/key')}
        type="password"
        value={key}
        onChange={(e) => setKey(e.target.value)}
        autoComplete="off"
        spellCheck={false}
        className="font-mono"
      />
      {error !== undefined && <FormError error={error} />}
      <Button
        look="secondary"
        onClick={() => file !== undefined && restore(file)}
        busy={busy ? (at ?? t('common.loading')) : undefined}
        disabledReason={missing}
      >
        {t('setup.restore.act')}
      </Button>
    </fieldset>
  )
}

function base64(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text)
}

/** While it begins anew the host answers nobody; at last it tells of the backup. */
async function begunAnew(createdAt: number): Promise<void> {
  for (let tries = 0; tries < 240; tries += 1) {
    const state = await setupApi.restoreState().catch(() => undefined)
    if (state?.restored?.createdAt === createdAt) return
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}
