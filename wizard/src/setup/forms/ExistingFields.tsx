'use client'
import { useTexts } from '../../i18n/text-context.tsx'
import { Choice, TextField } from '../../ui/Field.tsx'
import { Notice } from '../../ui/Notice.tsx'
import { numberOf, type FieldsProps } from './fields.ts'
import { RestoreBackup } from './RestoreBackup.tsx'

interface Contract {
  address: string
  fromBlock: number | string
}
/** What a host that comes back gets, and from where; told before anything happens. */
const returns = ['chain', 'disks', 'secrets', 'lost'] as const

/** A new host, or one that comes back: its contract is taken, and the page says what returns with it and what does not. */
export function ExistingFields({ value, onChange, wrong, tell }: FieldsProps) {
  const { t } = useTexts()
  const contracts = (value['contracts'] ?? []) as Contract[]
  const first = contracts[0]
  const change = (fields: Partial<Contract>) =>
    first !== undefined && onChange({ contracts: [{ ...first, ...fields }, ...contracts.slice(1)] })
  return (
    <>
      <Choice
        legend={t('setup.existing.kind')}
        name="existing"
        {...wrong('/contracts')}
        value={first === undefined ? 'new' : 'back'}
        onChange={(kind) => onChange({ contracts: kind === 'new' ? [] : [{ address: '', fromBlock: 0 }] })}
        options={(['new', 'back'] as const).map((kind) => ({
          value: kind,
          label: t(`setup.existing.${kind}`),
          detail: t(`setup.existing.${kind}Text`),
        }))}
      />
      {first !== undefined && (
        <>
          <RestoreBackup wrong={wrong} tell={tell} />
          <TextField
            label={t('setup.existing.address')}
            hint={t('setup.existing.addressHint')}
            {...wrong('/contracts/0/address')}
            value={first.address}
            onChange={(e) => change({ address: e.target.value.trim() })}
            autoComplete="off"
            spellCheck={false}
            className="font-mono"
          />
          <TextField
            label={t('setup.existing.fromBlock')}
            hint={t('setup.existing.fromBlockHint')}
            {...wrong('/contracts/0/fromBlock')}
            value={String(first.fromBlock)}
            onChange={(e) => change({ fromBlock: numberOf(e.target.value) })}
            inputMode="numeric"
            autoComplete="off"
          />
          <Notice title={t('setup.existing.returns')}>
            <ul className="list-disc space-y-1 pl-5">
              {returns.map((what) => (
                <li key={what}>{t(`setup.existing.returns.${what}`)}</li>
              ))}
            </ul>
          </Notice>
        </>
      )}
    </>
  )
}
