'use client'
import type { AlertChannelInput } from '@freehold/appliance/health/alerts/channel-schema'
import { useState } from 'react'
import { useHost } from '../api/host-context.tsx'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Empty } from '../ui/Empty.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Notice } from '../ui/Notice.tsx'
import { usePress } from '../ui/use-press.ts'
import { ChannelForm } from './ChannelForm.tsx'
import { emptyChannel, inputOf, type ChannelKind } from './channels.ts'
import { operatorApi, type Alerts } from './operator-api.ts'
import { OperatorPage } from './OperatorPage.tsx'

const kinds: readonly ChannelKind[] = ['mail', 'webhook', 'ntfy']

/** `/operator/alerts`: where issues are told, each with a test that shows the real reply (O10). */
export function AlertsPage() {
  const { t } = useTexts()
  return (
    <OperatorPage
      title={t('operator.nav.alerts')}
      lead={t('operator.alerts.lead')}
      behind={{ api: 'GET /v1/alerts, PUT /v1/alerts, POST /v1/alerts/{channelId}/test' }}
      name="alerts"
      load={operatorApi.alerts}
    >
      {(alerts, { reload }) => <Channels alerts={alerts} reload={reload} />}
    </OperatorPage>
  )
}

function Channels({ alerts, reload }: { alerts: Alerts; reload(): void }) {
  const { t } = useTexts()
  const { lost } = useHost()
  const [edited, setEdited] = useState<readonly AlertChannelInput[]>()
  const { busy, error, press } = usePress()
  const [saved, setSaved] = useState(false)
  const channels = edited ?? alerts.channels.map(inputOf)

  function change(next: readonly AlertChannelInput[]) {
    setSaved(false)
    setEdited(next)
  }

  const save = () =>
    press(async () => {
      await operatorApi.putAlerts(channels)
      setEdited(undefined)
      setSaved(true)
      reload()
    })

  return (
    <div className="space-y-5">
      {channels.length === 0 && <Empty title={t('operator.alerts.none.title')} text={t('operator.alerts.none.text')} />}
      {channels.map((channel, i) => (
        <ChannelForm
          // a channel that is being written has no lasting name yet
          key={i}
          channel={channel}
          known={alerts.channels.find((c) => c.channelId === channel.channelId)}
          changed={edited !== undefined}
          onChange={(next) => change(channels.with(i, next))}
          onRemove={() => change(channels.filter((_, n) => n !== i))}
          onTested={reload}
        />
      ))}
      <div className="flex flex-wrap gap-3">
        {kinds.map((kind) => (
          <Button key={kind} look="secondary" onClick={() => change([...channels, emptyChannel(kind, channels)])}>
            {t(`operator.alerts.add.${kind}`)}
          </Button>
        ))}
      </div>
      {error !== undefined && <ErrorBox error={error} focus />}
      {saved && (
        <Notice tone="good" live>
          <p>{t('operator.alerts.saved')}</p>
        </Notice>
      )}
      <Button
        onClick={save}
        busy={busy ? t('common.loading') : undefined}
        disabledReason={lost ? t('link.lost.reason') : edited === undefined ? t('operator.alerts.unchanged') : undefined}
      >
        {t('operator.alerts.save')}
      </Button>
    </div>
  )
}
