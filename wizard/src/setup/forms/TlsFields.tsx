'use client'
import { useTexts } from '../../i18n/text-context.tsx'
import { Choice, TextField } from '../../ui/Field.tsx'
import type { FieldsProps } from './fields.ts'

interface Tls {
  kind: 'first-boot' | 'own-ca' | 'acme'
  directory?: string
  termsAgreed?: boolean
  proof?: 'http' | 'broker'
  email?: string
  authorityFile?: string
}

const letsEncrypt = 'https://acme-v02.api.letsencrypt.org/directory'

/** Who vouches for the public address: an authority of the Internet, one of this host, or nobody. */
export function TlsFields({ value, onChange, wrong }: FieldsProps) {
  const { t } = useTexts()
  const tls = value['tls'] as Tls
  const change = (fields: Partial<Tls>) => onChange({ tls: { ...tls, ...fields } })
  /** An optional field that is empty is not answered. */
  const changeOptional = (name: 'email' | 'authorityFile', text: string) => {
    const { [name]: _, ...rest } = tls
    onChange({ tls: text === '' ? rest : { ...rest, [name]: text } })
  }
  return (
    <>
      <Choice
        legend={t('setup.tls.kind')}
        name="tls"
        value={tls.kind}
        onChange={(kind) => onChange({ tls: kind === 'acme' ? { kind, directory: letsEncrypt, termsAgreed: false } : { kind } })}
        options={(['acme', 'own-ca', 'first-boot'] as const).map((kind) => ({
          value: kind,
          label: t(`setup.tls.${kind}`),
          detail: t(`setup.tls.${kind}.text`),
        }))}
      />
      {tls.kind === 'acme' && (
        <>
          <Choice
            legend={t('setup.tls.proof')}
            name="proof"
            value={tls.proof ?? 'http'}
            onChange={(proof) => change({ proof })}
            options={(['http', 'broker'] as const).map((proof) => ({
              value: proof,
              label: t(`setup.tls.proof.${proof}`),
              detail: t(`setup.tls.proof.${proof}.text`),
            }))}
          />
          <TextField
            label={t('setup.tls.directory')}
            hint={t('setup.tls.directoryHint')}
            error={wrong('/tls/directory')}
            value={tls.directory ?? ''}
            onChange={(e) => change({ directory: e.target.value.trim() })}
            inputMode="url"
            autoComplete="off"
            spellCheck={false}
          />
          <TextField
            label={t('setup.tls.email')}
            hint={t('setup.tls.emailHint')}
            error={wrong('/tls/email')}
            value={tls.email ?? ''}
            onChange={(e) => changeOptional('email', e.target.value.trim())}
            type="email"
            autoComplete="email"
          />
          <label className="flex min-h-11 items-center gap-3">
            <input
              type="checkbox"
              className="size-5 shrink-0 accent-brand"
              checked={tls.termsAgreed === true}
              aria-invalid={wrong('/tls/termsAgreed') === undefined ? undefined : true}
              onChange={(e) => change({ termsAgreed: e.target.checked })}
            />
            <span>{t('setup.tls.terms')}</span>
          </label>
          {wrong('/tls/termsAgreed') !== undefined && <p className="text-sm font-medium text-bad">{wrong('/tls/termsAgreed')}</p>}
        </>
      )}
    </>
  )
}
