'use client'
import { useTexts } from '../../i18n/text-context.tsx'
import { Button } from '../../ui/Button.tsx'
import { Choice, TextField } from '../../ui/Field.tsx'
import { WalletBox } from '../../wallet/WalletBox.tsx'
import { useWallets } from '../../wallet/wallet-context.tsx'
import type { FieldsProps } from './fields.ts'

interface Roles {
  owner: string
  treasury: string
}

/** Who governs and who is paid. Addresses only: no key is ever asked for (A10). */
export function PeopleFields({ value, onChange, wrong }: FieldsProps) {
  const { t } = useTexts()
  const { current } = useWallets()
  const roles = value['roles'] as Roles
  const deployment = value['deployment'] === 'key' ? 'key' : 'wallet'
  const change = (fields: Partial<Roles>) => onChange({ ...value, roles: { ...roles, ...fields } })
  return (
    <>
      <WalletBox />
      <TextField
        label={t('setup.people.owner')}
        hint={t('setup.people.ownerHint')}
        {...wrong('/roles/owner')}
        value={roles.owner}
        onChange={(e) => change({ owner: e.target.value.trim() })}
        autoComplete="off"
        spellCheck={false}
        className="font-mono"
      />
      {current !== undefined && roles.owner !== current.address && (
        <Button look="secondary" onClick={() => change({ owner: current.address })}>
          {t('setup.people.useWallet', { wallet: current.name })}
        </Button>
      )}
      <TextField
        label={t('setup.people.treasury')}
        hint={t('setup.people.treasuryHint')}
        {...wrong('/roles/treasury')}
        value={roles.treasury}
        onChange={(e) => change({ treasury: e.target.value.trim() })}
        autoComplete="off"
        spellCheck={false}
        className="font-mono"
      />
      <Choice
        legend={t('setup.people.deployment')}
        name="deployment"
        {...wrong('/deployment')}
        value={deployment}
        onChange={(picked) => onChange({ ...value, deployment: picked })}
        options={[
          { value: 'wallet', label: t('setup.people.byWallet'), detail: t('setup.people.byWalletText') },
          { value: 'key', label: t('setup.people.byKey'), detail: t('setup.people.byKeyText') },
        ]}
      />
    </>
  )
}
