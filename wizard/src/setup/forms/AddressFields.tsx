'use client'
import { useTexts } from '../../i18n/text-context.tsx'
import { TextField } from '../../ui/Field.tsx'
import type { FieldsProps } from './fields.ts'

/** The name under which people open the host. */
export function AddressFields({ value, onChange, wrong }: FieldsProps) {
  const { t } = useTexts()
  return (
    <TextField
      label={t('setup.address.origin')}
      hint={t('setup.address.originHint')}
      {...wrong('/origin')}
      value={typeof value['origin'] === 'string' ? value['origin'] : ''}
      onChange={(e) => onChange({ origin: e.target.value.trim() })}
      inputMode="url"
      autoComplete="off"
      spellCheck={false}
    />
  )
}
