'use client'
import { useState } from 'react'
import { useTexts } from '../../i18n/text-context.tsx'
import { Choice, TextField } from '../../ui/Field.tsx'
import { numberOf, type FieldsProps } from './fields.ts'
import { knownChains } from './known-chains.ts'

interface Chain {
  chainId: number | string
  name?: string
  rpcUrls: string[]
  confirmations?: number | string
  lowBalanceWei?: string
}

/** Which network, and one or two nodes to ask. */
export function ChainFields({ value, onChange, wrong }: FieldsProps) {
  const { t } = useTexts()
  const chain = value['chain'] as Chain
  const change = (fields: Partial<Chain>) => onChange({ ...value, chain: { ...chain, ...fields } })
  const known = knownChains.find((one) => one.chainId === chain.chainId)
  // kept apart from the id: who types 11155111 has typed 1 on the way
  const [custom, setCustom] = useState(known === undefined)
  const [first = '', second = ''] = chain.rpcUrls
  return (
    <>
      <Choice
        legend={t('setup.chain.network')}
        name="network"
        // the id has a field of its own where the network is none of the list
        {...(custom || known === undefined ? {} : wrong('/chain/chainId'))}
        value={custom || known === undefined ? 'custom' : String(known.chainId)}
        onChange={(picked) => {
          const one = knownChains.find((candidate) => String(candidate.chainId) === picked)
          setCustom(one === undefined)
          if (one !== undefined) change({ chainId: one.chainId, name: one.name, confirmations: one.confirmations })
        }}
        options={[
          ...knownChains.map((one) => ({
            value: String(one.chainId),
            label: one.name,
            detail: one.test ? t('setup.chain.test') : undefined,
          })),
          { value: 'custom', label: t('setup.chain.custom') },
        ]}
      />
      {(custom || known === undefined) && (
        <div className="grid gap-5 sm:grid-cols-2">
          <TextField
            label={t('setup.chain.id')}
            {...wrong('/chain/chainId')}
            value={chain.chainId === 0 ? '' : String(chain.chainId)}
            onChange={(e) => change({ chainId: e.target.value === '' ? 0 : numberOf(e.target.value) })}
            inputMode="numeric"
            autoComplete="off"
          />
          <TextField
            label={t('setup.chain.name')}
            {...wrong('/chain/name')}
            value={chain.name ?? ''}
            onChange={(e) => change({ name: e.target.value })}
            autoComplete="off"
          />
        </div>
      )}
      <TextField
        label={t('setup.chain.rpc')}
        hint={t('setup.chain.rpcHint')}
        {...wrong('/chain/rpcUrls/0', '/chain/rpcUrls')}
        value={first}
        onChange={(e) => change({ rpcUrls: second === '' ? [e.target.value.trim()] : [e.target.value.trim(), second] })}
        inputMode="url"
        autoComplete="off"
        spellCheck={false}
      />
      <TextField
        label={t('setup.chain.second')}
        hint={t('setup.chain.secondHint')}
        {...wrong('/chain/rpcUrls/1')}
        value={second}
        onChange={(e) => change({ rpcUrls: e.target.value.trim() === '' ? [first] : [first, e.target.value.trim()] })}
        inputMode="url"
        autoComplete="off"
        spellCheck={false}
      />
      <TextField
        label={t('setup.chain.confirmations')}
        hint={t('setup.chain.confirmationsHint')}
        {...wrong('/chain/confirmations')}
        value={String(chain.confirmations ?? '')}
        onChange={(e) => change({ confirmations: numberOf(e.target.value) })}
        inputMode="numeric"
        autoComplete="off"
      />
    </>
  )
}
