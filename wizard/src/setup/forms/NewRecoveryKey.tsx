'use client'
import { useState } from 'react'
import { useTexts } from '../../i18n/text-context.tsx'
import { Button } from '../../ui/Button.tsx'
import { CopyField } from '../../ui/Copy.tsx'
import { Notice } from '../../ui/Notice.tsx'
import { saveFile } from '../save-file.ts'

interface MadeKey {
  identity: string
  recipient: string
}

/**
 * Makes a recovery key in this browser: it is sent to nobody, shown once and kept nowhere (W4). Only when the person says that it
 * is kept does its public half become the answer, so that no backup is sealed to a key that nobody has.
 */
export function NewRecoveryKey({ recipient, onKept }: { recipient: string; onKept(recipient: string): void }) {
  const { t } = useTexts()
  const [made, setMade] = useState<MadeKey>()
  async function make() {
    // loaded where it is needed: no other page wants the cipher
    const { generateX25519Identity, identityToRecipient } = await import('age-encryption')
    const identity = await generateX25519Identity()
    setMade({ identity, recipient: await identityToRecipient(identity) })
  }
  if (made === undefined) {
    return (
      <Button look="secondary" onClick={() => void make()}>
        {t('setup.backup.make')}
      </Button>
    )
  }
  // as `freehold backup key` prints it
  const text = `# recovery key of Freehold backups; public half: ${made.recipient}\n${made.identity}\n`
  return (
    <Notice tone="warn" live title={t('setup.backup.made.title')}>
      <p>{t('setup.backup.made.text')}</p>
      <CopyField label={t('setup.backup.made.key')} value={made.identity} wrap />
      <Button look="secondary" onClick={() => saveFile('freehold-recovery-key.txt', text)}>
        {t('setup.backup.made.download')}
      </Button>
      <label className="flex min-h-11 items-center gap-3">
        <input
          type="checkbox"
          className="size-5 shrink-0 accent-brand"
          checked={recipient === made.recipient}
          onChange={(e) => onKept(e.target.checked ? made.recipient : '')}
        />
        <span>{t('setup.backup.made.kept')}</span>
      </label>
    </Notice>
  )
}
