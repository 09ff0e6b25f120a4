'use client'
import { useTexts } from '../../i18n/text-context.tsx'
import { Choice, TextField } from '../../ui/Field.tsx'
import type { FieldsProps } from './fields.ts'
import { NewRecoveryKey } from './NewRecoveryKey.tsx'

interface Backup {
  folder?: string
  recipient?: string
  passphraseFile?: string
}

type Opener = 'key' | 'passphrase' | 'none'

/** Where sealed backups go and who can open them. The half that opens them never comes onto this host. */
export function BackupFields({ value, onChange, wrong }: FieldsProps) {
  const { t } = useTexts()
  const { recipient, passphraseFile, folder, ...rest } = value['backup'] as Backup
  const opener: Opener = recipient !== undefined ? 'key' : passphraseFile !== undefined ? 'passphrase' : 'none'
  const opens: Backup = opener === 'key' ? { recipient: recipient ?? '' } : { passphraseFile: passphraseFile ?? '' }
  const change = (fields: Backup) => onChange({ backup: { ...rest, ...fields } })
  const choose = (next: Opener) =>
    change(next === 'none' ? {} : { ...place(folder), ...(next === 'key' ? { recipient: '' } : { passphraseFile: '' }) })
  return (
    <>
      <Choice
        legend={t('setup.backup.opener')}
        name="opener"
        {...wrong('/backup')}
        value={opener}
        onChange={choose}
        options={(['key', 'passphrase', 'none'] as const).map((one) => ({
          value: one,
          label: t(`setup.backup.${one}`),
          detail: t(`setup.backup.${one}.text`),
        }))}
      />
      {opener === 'key' && (
        <>
          <NewRecoveryKey recipient={recipient ?? ''} onKept={(kept) => change({ ...place(folder), recipient: kept })} />
          <TextField
            label={t('setup.backup.recipient')}
            hint={t('setup.backup.recipientHint')}
            {...wrong('/backup/recipient')}
            value={recipient ?? ''}
            onChange={(e) => change({ ...place(folder), recipient: e.target.value.trim() })}
            autoComplete="off"
            spellCheck={false}
            className="font-mono"
          />
        </>
      )}
      {opener === 'passphrase' && (
        <TextField
          label={t('setup.backup.passphraseFile')}
          hint={t('setup.backup.passphraseFileHint')}
          {...wrong('/backup/passphraseFile')}
          value={passphraseFile ?? ''}
          onChange={(e) => change({ ...place(folder), passphraseFile: e.target.value.trim() })}
          autoComplete="off"
          spellCheck={false}
          className="font-mono"
        />
      )}
      {opener !== 'none' && (
        <TextField
          label={t('setup.backup.folder')}
          hint={t('setup.backup.folderHint')}
          {...wrong('/backup/folder')}
          value={folder ?? ''}
          onChange={(e) => change({ ...opens, ...place(e.target.value.trim()) })}
          autoComplete="off"
          spellCheck={false}
          className="font-mono"
        />
      )}
    </>
  )
}

/** An optional field that is empty is not answered. */
function place(folder: string | undefined): Pick<Backup, 'folder'> {
  return folder === undefined || folder === '' ? {} : { folder }
}
