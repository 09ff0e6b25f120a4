'use client'
import type { AlertChannelInput, AlertChannelView } from '@freehold/appliance/health/alerts/channel-schema'
import { useHost, useNow } from '../api/host-context.tsx'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { TextField } from '../ui/Field.tsx'
import { Notice } from '../ui/Notice.tsx'
import { SelectField } from '../ui/SelectField.tsx'
import { usePress } from '../ui/use-press.ts'
import { operatorApi } from './operator-api.ts'

const severities = ['low', 'medium', 'high'] as const
const securities = ['starttls', 'tls', 'none'] as const

/** One channel: where it leads, from which severity on, and its test. */
export function ChannelForm({
  channel,
  known,
  changed,
  onChange,
  onRemove,
  onTested,
}: {
  channel: AlertChannelInput
  /** As the host has it; undefined before it was saved. */
  known: AlertChannelView | undefined
  changed: boolean
  onChange(next: AlertChannelInput): void
  onRemove(): void
  onTested(): void
}) {
  const { t } = useTexts()
  const secretHint = known?.hasSecret === true ? t('operator.alerts.secret.kept') : t('operator.alerts.secret.none')
  return (
    <Card className="space-y-5">
      <CardTitle>{t(`operator.alerts.kind.${channel.kind}`)}</CardTitle>
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          label={t('operator.alerts.name')}
          hint={t('operator.alerts.name.hint')}
          value={channel.channelId}
          maxLength={24}
          onChange={(e) => onChange({ ...channel, channelId: e.target.value })}
        />
        <SelectField
          label={t('operator.alerts.from')}
          hint={t('operator.alerts.from.hint')}
          value={channel.minimumSeverity}
          options={severities.map((value) => ({ value, label: t(`operator.severity.${value}`) }))}
          onChange={(value) => onChange({ ...channel, minimumSeverity: severities.find((s) => s === value) ?? 'medium' })}
        />
        {channel.kind === 'mail' ? (
          <MailFields channel={channel} onChange={onChange} />
        ) : (
          <TextField
            label={t('operator.alerts.url')}
            hint={t(channel.kind === 'ntfy' ? 'operator.alerts.url.ntfy' : 'operator.alerts.url.webhook')}
            type="url"
            value={channel.url}
            maxLength={500}
            onChange={(e) => onChange({ ...channel, url: e.target.value.trim() })}
          />
        )}
        <TextField
          label={t(`operator.alerts.secret.${channel.kind}`)}
          hint={secretHint}
          type="password"
          autoComplete="off"
          value={channel.secret ?? ''}
          maxLength={500}
          onChange={(e) => {
            const { secret: _, ...rest } = channel
            onChange(e.target.value === '' ? rest : { ...rest, secret: e.target.value })
          }}
        />
      </div>
      <label className="flex min-h-11 items-center gap-3">
        <input
          type="checkbox"
          checked={channel.enabled}
          onChange={(e) => onChange({ ...channel, enabled: e.target.checked })}
          className="size-5 accent-brand"
        />
        {t('operator.alerts.enabled')}
      </label>
      <TestButton channel={channel} known={known} changed={changed} onTested={onTested} />
      <Button look="quiet" onClick={onRemove}>
        {t('operator.alerts.remove', { name: channel.channelId })}
      </Button>
    </Card>
  )
}

type Mail = Extract<AlertChannelInput, { kind: 'mail' }>

function MailFields({ channel, onChange }: { channel: Mail; onChange(next: AlertChannelInput): void }) {
  const { t } = useTexts()
  const texts = ['host', 'user', 'from', 'to'] as const
  return (
    <>
      {texts.map((name) => (
        <TextField
          key={name}
          label={t(`operator.alerts.mail.${name}`)}
          value={channel[name]}
          maxLength={254}
          onChange={(e) => onChange({ ...channel, [name]: e.target.value.trim() })}
        />
      ))}
      <TextField
        label={t('operator.alerts.mail.port')}
        inputMode="numeric"
        value={String(channel.port)}
        maxLength={5}
        onChange={(e) => onChange({ ...channel, port: Number(e.target.value.replace(/\D/g, '')) })}
      />
      <SelectField
        label={t('operator.alerts.mail.security')}
        value={channel.security}
        options={securities.map((value) => ({ value, label: t(`operator.alerts.security.${value}`) }))}
        onChange={(value) => onChange({ ...channel, security: securities.find((s) => s === value) ?? 'starttls' })}
      />
    </>
  )
}

/** Sends a test and shows what the other side really answered. */
function TestButton({
  channel,
  known,
  changed,
  onTested,
}: {
  channel: AlertChannelInput
  known: AlertChannelView | undefined
  changed: boolean
  onTested(): void
}) {
  const { t, when } = useTexts()
  const now = useNow()
  const { lost } = useHost()
  const { busy, error, press } = usePress()
  const last = known?.last ?? null
  const test = () =>
    press(async () => {
      await operatorApi.testAlert(channel.channelId)
      onTested()
    })
  const reason = lost ? t('link.lost.reason') : known === undefined || changed ? t('operator.alerts.saveFirst') : undefined
  return (
    <div className="space-y-3">
      {last !== null && (
        <Notice
          live
          tone={last.ok ? 'good' : 'bad'}
          title={t(last.ok ? 'operator.alerts.taken' : 'operator.alerts.refused', { when: when(last.at, now) })}
        >
          <p className="font-mono text-sm break-words">{last.reply}</p>
        </Notice>
      )}
      {error !== undefined && <ErrorBox error={error} focus />}
      <Button look="secondary" onClick={test} busy={busy ? t('operator.alerts.testing') : undefined} disabledReason={reason}>
        {t('operator.alerts.test', { name: channel.channelId })}
      </Button>
    </div>
  )
}
