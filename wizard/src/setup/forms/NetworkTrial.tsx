'use client'
import { useState } from 'react'
import { useHost } from '../../api/host-context.tsx'
import { useTexts } from '../../i18n/text-context.tsx'
import { Button } from '../../ui/Button.tsx'
import { linkButton } from '../../ui/link-button.ts'
import { Notice } from '../../ui/Notice.tsx'
import { usePress } from '../../ui/use-press.ts'
import { FormError } from '../FormError.tsx'
import { setupApi, type NetworkView, type SectionView } from '../resources.ts'
import type { TypedUplink } from './UplinkFields.tsx'

/** As long as the host tries a change. */
const trialSeconds = 180

/** Try, open the new address, confirm there; else all is as before. Address and countdown stand here before and during it (W13). */
export function NetworkTrial(props: {
  uplink: TypedUplink | null
  network: NetworkView | undefined
  reload(): void
  tell(error: unknown): void
  saved(section: SectionView): Promise<void>
}) {
  const { t, length } = useTexts()
  const { lost } = useHost()
  const { uplink, network, reload, saved } = props
  const [begun, setBegun] = useState<{ address: string | null; word: string; at: number }>()
  const { busy, error, press } = usePress(props.tell)
  const trial = network?.trial ?? null
  const address = uplink === null || uplink.ipv4 === 'dhcp' ? null : uplink.ipv4.address

  const act = (work: () => Promise<void>) =>
    press(async () => {
      await work()
      reload()
    })
  const begin = () =>
    act(async () => {
      const { trial: tried, word } = await setupApi.tryNetwork(uplink)
      setBegun({ address: tried.address, word, at: performance.now() })
    })
  const confirm = () => act(async () => await saved(await setupApi.confirmNetwork()))

  // this page came from the address that is tried: pressing the button is the proof
  const here = trial !== null && (trial.address === null || location.hostname === trial.address)
  if (trial !== null && here && begun === undefined) {
    return (
      <Notice tone="warn" live title={t('setup.trial.confirmTitle')}>
        <p>{t('setup.trial.confirmText', { time: length(trial.secondsLeft) })}</p>
        {error !== undefined && <FormError error={error} />}
        <Button onClick={confirm} busy={busy ? t('setup.trial.confirming') : undefined}>
          {t('setup.trial.confirm')}
        </Button>
      </Notice>
    )
  }
  // the host changes a moment after it has answered
  if (begun !== undefined && (trial !== null || lost || performance.now() - begun.at < 5000)) {
    const place = begun.address === null ? null : `https://${begun.address}/setup?page=uplink#${begun.word}`
    return (
      <Notice tone="warn" live title={t('setup.trial.title', { address: begun.address ?? 'DHCP' })}>
        <p>{t('setup.trial.text', { time: length(trial?.secondsLeft ?? trialSeconds) })}</p>
        {place === null ? (
          <p>{t('setup.trial.dhcp')}</p>
        ) : (
          <a className={linkButton} href={place} target="_blank" rel="noreferrer">
            {t('setup.trial.open', { address: begun.address ?? '' })}
          </a>
        )}
      </Notice>
    )
  }
  if (uplink === null) return null
  return (
    <Notice title={t('setup.trial.before')}>
      <p>{t('setup.trial.beforeText', { address: address ?? 'DHCP', time: length(trialSeconds) })}</p>
      {begun !== undefined && <p className="text-bad">{t('setup.trial.over')}</p>}
      {network?.failed !== null && network?.failed !== undefined && <p className="text-bad">{network.failed}</p>}
      {error !== undefined && <FormError error={error} />}
      <Button
        look="secondary"
        onClick={begin}
        busy={busy ? t('setup.trial.beginning') : undefined}
        disabledReason={lost ? t('link.lost.reason') : undefined}
      >
        {t('setup.trial.begin')}
      </Button>
    </Notice>
  )
}
