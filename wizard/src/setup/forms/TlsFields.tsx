'use client'
import { useTexts } from '../../i18n/text-context.tsx'
import { CheckField, Choice, TextField } from '../../ui/Field.tsx'
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
        {...wrong('/tls/kind', '/tls')}
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
            {...wrong('/tls/proof')}
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
            {...wrong('/tls/directory')}
            value={tls.directory ?? ''}
            onChange={(e) => change({ directory: e.target.value.trim() })}
            inputMode="url"
            autoComplete="off"
            spellCheck={false}
          />
          <TextField
            label={t('setup.tls.email')}
            hint={t('setup.tls.emailHint')}
            {...wrong('/tls/email')}
            value={tls.email ?? ''}
            onChange={(e) => changeOptional('email', e.target.value.trim())}
            type="email"
            autoComplete="email"
          />
          <CheckField
            label={t('setup.tls.terms')}
            {...wrong('/tls/termsAgreed')}
            checked={tls.termsAgreed === true}
            onChange={(e) => change({ termsAgreed: e.target.checked })}
          />
        </>
      )}
    </>
  )
}
