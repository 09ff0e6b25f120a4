'use client'
import type { LoginRequestView } from '@freehold/appliance/api/schemas/sign-in'
import { useState } from 'react'
import { useHost } from '../api/host-context.tsx'
import { clockLength } from '../format/time.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { CopyField } from '../ui/Copy.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { TextField } from '../ui/Field.tsx'
import { Notice } from '../ui/Notice.tsx'
import { QrCode } from '../ui/QrCode.tsx'
import { usePress } from '../ui/use-press.ts'
import { plainCode } from './plain-code.ts'
import { useElsewhere, type Elsewhere } from './use-elsewhere.ts'
import { useSecondsLeft } from './use-seconds-left.ts'

/**
 * This browser asks, the device with the wallet signs: link, QR and code of the sign-in page, then the reply code where the two
 * are at different addresses (A4, A8, S14). The same rule as in the terminal.
 */
export function SignElsewhere(props: {
  act: 'session' | 'console' | 'reinstall' | 'rollback'
  vmId?: string
  disabledReason?: string | undefined
  onApproved(requestId: string): void
}) {
  const { t } = useTexts()
  const { lost } = useHost()
  const elsewhere = useElsewhere(props.act, props.vmId, props.onApproved)
  const { busy, error, press } = usePress()

  const { view, outcome } = elsewhere
  const over = outcome?.state === 'denied' || outcome?.state === 'expired'
  const shown = error ?? elsewhere.error
  return (
    <div className="space-y-3">
      {shown !== undefined && <ErrorBox error={shown} focus />}
      {over && (
        <Notice tone="warn" live title={t(outcome.state === 'expired' ? 'signIn.expired.title' : 'signIn.denied.title')}>
          <p>{outcome.reason?.text ?? t('signIn.expired.text')}</p>
        </Notice>
      )}
      {view === undefined || over ? (
        <Button
          look="quiet"
          onClick={() => press(elsewhere.begin)}
          busy={busy ? t('common.loading') : undefined}
          disabledReason={lost ? t('link.lost.reason') : props.disabledReason}
        >
          {t('elsewhere.begin')}
        </Button>
      ) : (
        <Waiting view={view} elsewhere={elsewhere} />
      )}
    </div>
  )
}

function Waiting({ view, elsewhere }: { view: LoginRequestView; elsewhere: Elsewhere }) {
  const { t } = useTexts()
  const left = useSecondsLeft(view)
  const link = `${location.origin}/s/${plainCode(view.code)}`
  const wantsReply = elsewhere.outcome?.state === 'needs-reply'
  return (
    <div className="space-y-4 rounded-xl border border-line p-4">
      <p className="font-medium">{t('elsewhere.title')}</p>
      {wantsReply ? (
        <Reply elsewhere={elsewhere} />
      ) : (
        <>
          <p>{t('elsewhere.text')}</p>
          <QrCode text={link} label={t('elsewhere.qr')} />
          <CopyField label={t('elsewhere.link')} value={link} />
        </>
      )}
      <p>
        {t('signIn.code')}: <span className="font-mono text-lg font-semibold tracking-wide">{view.code}</span>
      </p>
      <p className="tabular" role="timer">
        {t('signIn.left', { time: clockLength(left) })}
      </p>
      <Button look="secondary" onClick={elsewhere.cancel}>
        {t('elsewhere.cancel')}
      </Button>
    </div>
  )
}

/** Three tries, as in the terminal. No form of its own: it may stand inside another. */
function Reply({ elsewhere }: { elsewhere: Elsewhere }) {
  const { t } = useTexts()
  const [code, setCode] = useState('')
  const { busy, error, press } = usePress()
  const tries = elsewhere.outcome?.triesLeft ?? 3
  const complete = plainCode(code).length === 8

  async function send() {
    if (!complete || busy) return
    press(async () => {
      await elsewhere.reply(code)
      setCode('')
    })
  }

  return (
    <div className="space-y-3">
      <p role="status">{t('elsewhere.reply.text')}</p>
      <TextField
        label={t('elsewhere.reply.label')}
        autoComplete="one-time-code"
        autoCapitalize="characters"
        spellCheck={false}
        maxLength={20}
        className="font-mono"
        value={code}
        onChange={(e) => setCode(e.target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter') return
          event.preventDefault()
          void send()
        }}
        error={tries < 3 ? t('elsewhere.reply.wrong', { count: tries }) : undefined}
      />
      {error !== undefined && <ErrorBox error={error} focus />}
      <Button
        onClick={() => void send()}
        busy={busy ? t('signIn.sending') : undefined}
        disabledReason={complete ? undefined : t('elsewhere.reply.length')}
      >
        {t('elsewhere.reply.send')}
      </Button>
    </div>
  )
}
