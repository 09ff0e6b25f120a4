'use client'
import { useTexts } from '../../i18n/text-context.tsx'
import { Choice, TextField } from '../../ui/Field.tsx'
import { numberOf, type FieldsProps } from './fields.ts'

interface Network {
  ipv4?: { gateway: string; prefixLength: number | string }
  ipv6?: { prefix: string; prefixLength: number | string; onLink?: boolean } | null
  broker?: { registry?: string | null; count?: number | string; maxPricePerDayWei?: string } | null
}

/** The guests' own nets. */
export function NetworkFields({ value, onChange, wrong }: FieldsProps) {
  const { t } = useTexts()
  const network = value['network'] as Network
  const ipv4 = network.ipv4 ?? { gateway: '10.77.0.1', prefixLength: 16 }
  const ipv6 = network.ipv6 ?? null
  const broker = network.broker ?? null
  const changeBroker = (fields: NonNullable<Network['broker']>) => change({ broker: { ...broker, ...fields } })
  const change = (fields: Network) => onChange({ network: { ...network, ...fields } })
  return (
    <>
      <div className="grid gap-5 sm:grid-cols-[2fr_1fr]">
        <TextField
          label={t('setup.network.gateway')}
          hint={t('setup.network.gatewayHint')}
          {...wrong('/network/ipv4/gateway', '/network/ipv4')}
          value={ipv4.gateway}
          onChange={(e) => change({ ipv4: { ...ipv4, gateway: e.target.value.trim() } })}
          autoComplete="off"
          spellCheck={false}
        />
        <TextField
          label={t('setup.network.length')}
          hint={t('setup.network.lengthHint')}
          {...wrong('/network/ipv4/prefixLength')}
          value={String(ipv4.prefixLength)}
          onChange={(e) => change({ ipv4: { ...ipv4, prefixLength: numberOf(e.target.value) } })}
          inputMode="numeric"
          autoComplete="off"
        />
      </div>
      <Choice
        legend={t('setup.network.ipv6')}
        name="ipv6"
        {...wrong('/network/broker', '/network/ipv6')}
        value={broker !== null ? 'broker' : ipv6 === null ? 'none' : ipv6.onLink === true ? 'onLink' : 'routed'}
        onChange={(mode) =>
          change({
            broker: mode === 'broker' ? { registry: broker?.registry ?? '', count: broker?.count ?? 2 } : null,
            ipv6:
              mode === 'none' || mode === 'broker'
                ? null
                : { prefix: ipv6?.prefix ?? '', prefixLength: ipv6?.prefixLength ?? 64, onLink: mode === 'onLink' },
          })
        }
        options={[
          { value: 'none', label: t('setup.network.none'), detail: t('setup.network.noneText') },
          { value: 'broker', label: t('setup.network.broker'), detail: t('setup.network.brokerText') },
          { value: 'routed', label: t('setup.network.routed'), detail: t('setup.network.routedText') },
          { value: 'onLink', label: t('setup.network.onLink'), detail: t('setup.network.onLinkText') },
        ]}
      />
      {broker !== null && (
        <>
          <TextField
            label={t('setup.network.registry')}
            hint={t('setup.network.registryHint')}
            {...wrong('/network/broker/registry')}
            value={broker.registry ?? ''}
            onChange={(e) => changeBroker({ registry: e.target.value.trim() })}
            autoComplete="off"
            spellCheck={false}
          />
          <div className="grid gap-5 sm:grid-cols-2">
            <TextField
              label={t('setup.network.brokers')}
              hint={t('setup.network.brokersHint')}
              {...wrong('/network/broker/count')}
              value={String(broker.count ?? 2)}
              onChange={(e) => changeBroker({ count: numberOf(e.target.value) })}
              inputMode="numeric"
              autoComplete="off"
            />
            <TextField
              label={t('setup.network.maxPrice')}
              {...wrong('/network/broker/maxPricePerDayWei')}
              value={broker.maxPricePerDayWei ?? '0'}
              onChange={(e) => changeBroker({ maxPricePerDayWei: e.target.value.trim() })}
              inputMode="numeric"
              autoComplete="off"
            />
          </div>
        </>
      )}
      {ipv6 !== null && (
        <div className="grid gap-5 sm:grid-cols-[2fr_1fr]">
          <TextField
            label={t('setup.network.prefix')}
            {...wrong('/network/ipv6/prefix')}
            value={ipv6.prefix}
            onChange={(e) => change({ ipv6: { ...ipv6, prefix: e.target.value.trim() } })}
            autoComplete="off"
            spellCheck={false}
          />
          <TextField
            label={t('setup.network.length')}
            {...wrong('/network/ipv6/prefixLength')}
            value={String(ipv6.prefixLength)}
            onChange={(e) => change({ ipv6: { ...ipv6, prefixLength: numberOf(e.target.value) } })}
            inputMode="numeric"
            autoComplete="off"
          />
        </div>
      )}
    </>
  )
}
