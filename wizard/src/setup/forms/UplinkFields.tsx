'use client'
import { useEffect, useState } from 'react'
import { useResource } from '../../api/use-resource.ts'
import { useTexts } from '../../i18n/text-context.tsx'
import { Choice, TextField } from '../../ui/Field.tsx'
import { setupApi } from '../resources.ts'
import { NetworkTrial } from './NetworkTrial.tsx'
import { numberOf, type FieldsProps, type Wrong } from './fields.ts'

interface Fixed {
  address: string
  prefixLength: number | string
  gateway: string
}
/** As it is typed; the host says what is wrong with it. */
export interface TypedUplink {
  mac: string
  ipv4: 'dhcp' | Fixed
  dns: string[]
}

/** How the machine itself is reached: left as it is, or tried and then confirmed from the new address (W13). */
export function UplinkFields({ value, onChange, wrong, tell, saved }: FieldsProps) {
  const { t } = useTexts()
  const uplink = (value['uplink'] ?? null) as TypedUplink | null
  const network = useResource('setup network', setupApi.network, 2000)
  const cards = network.data?.cards ?? []
  const change = (fields: Partial<TypedUplink>) => onChange({ uplink: { ...(uplink as TypedUplink), ...fields } })
  const fixed = uplink !== null && uplink.ipv4 !== 'dhcp' ? uplink.ipv4 : null
  const changeFixed = (fields: Partial<Fixed>) => fixed !== null && change({ ipv4: { ...fixed, ...fields } })
  const first = cards.find((card) => card.gateway !== null) ?? cards[0]
  return (
    <>
      <dl className="space-y-2">
        {cards.map((card) => (
          <div key={card.mac} className="rounded-xl border border-line p-3">
            <dt className="font-medium">
              {card.device} <span className="font-mono text-sm text-soft">{card.mac}</span>
            </dt>
            <dd className="text-soft">
              {card.addresses.length === 0 ? t('setup.uplink.noAddress') : card.addresses.join(', ')}
              {card.gateway !== null && ` · ${t('setup.uplink.by', { gateway: card.gateway })}`}
              {!card.up && ` · ${t('setup.uplink.unplugged')}`}
            </dd>
          </div>
        ))}
      </dl>
      <Choice
        legend={t('setup.uplink.mode')}
        name="uplink"
        {...wrong('/uplink')}
        value={uplink === null ? 'same' : fixed === null ? 'dhcp' : 'fixed'}
        onChange={(mode) => {
          const mac = uplink?.mac ?? first?.mac ?? ''
          const dns = uplink?.dns ?? []
          const [address = '', length = '24'] = (first?.addresses[0] ?? '').split('/')
          if (mode === 'same') onChange({ uplink: null })
          else if (mode === 'dhcp') onChange({ uplink: { mac, ipv4: 'dhcp', dns } })
          else
            onChange({
              uplink: { mac, ipv4: { address, prefixLength: numberOf(length), gateway: first?.gateway ?? '' }, dns },
            })
        }}
        options={(['same', 'dhcp', 'fixed'] as const).map((mode) => ({
          value: mode,
          label: t(`setup.uplink.${mode}`),
          detail: t(`setup.uplink.${mode}Text`),
        }))}
      />
      {uplink !== null && cards.length > 1 && (
        <Choice
          legend={t('setup.uplink.card')}
          name="card"
          {...wrong('/uplink/mac')}
          value={uplink.mac}
          onChange={(mac) => change({ mac })}
          options={cards.map((card) => ({ value: card.mac, label: card.device, detail: card.mac }))}
        />
      )}
      {fixed !== null && (
        <div className="grid gap-5 sm:grid-cols-2">
          <TextField
            label={t('setup.uplink.address')}
            {...wrong('/uplink/ipv4/address', '/uplink/ipv4')}
            value={fixed.address}
            onChange={(e) => changeFixed({ address: e.target.value.trim() })}
            autoComplete="off"
            spellCheck={false}
          />
          <TextField
            label={t('setup.network.length')}
            hint={t('setup.network.lengthHint')}
            {...wrong('/uplink/ipv4/prefixLength')}
            value={String(fixed.prefixLength)}
            onChange={(e) => changeFixed({ prefixLength: numberOf(e.target.value) })}
            inputMode="numeric"
            autoComplete="off"
          />
          <TextField
            label={t('setup.uplink.gateway')}
            {...wrong('/uplink/ipv4/gateway')}
            value={fixed.gateway}
            onChange={(e) => changeFixed({ gateway: e.target.value.trim() })}
            autoComplete="off"
            spellCheck={false}
          />
          <DnsField
            dns={uplink?.dns ?? []}
            {...wrong('/uplink/dns/0', '/uplink/dns/1', '/uplink/dns/2', '/uplink/dns')}
            onChange={(dns) => change({ dns })}
          />
        </div>
      )}
      <NetworkTrial uplink={uplink} network={network.data} reload={network.reload} tell={tell} saved={saved} />
    </>
  )
}

/** Several addresses in one line; what is typed stays as typed. */
function DnsField({ dns, onChange, ...wrong }: { dns: readonly string[]; onChange(dns: string[]): void } & Wrong) {
  const { t } = useTexts()
  const [text, setText] = useState(dns.join(' '))
  const kept = dns.join(' ')
  useEffect(() => setText((typed) => (words(typed).join(' ') === kept ? typed : kept)), [kept])
  return (
    <TextField
      label={t('setup.uplink.dns')}
      hint={t('setup.uplink.dnsHint')}
      {...wrong}
      value={text}
      onChange={(e) => {
        setText(e.target.value)
        onChange(words(e.target.value))
      }}
      autoComplete="off"
      spellCheck={false}
    />
  )
}

function words(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '')
}
