'use client'
import type { Approval, LoginRequestView } from '@freehold/appliance/api/schemas/sign-in'
import { useEffect, useRef } from 'react'
import { HostFailure } from '../api/failure.ts'
import { clockLength } from '../format/time.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Card } from '../ui/Card.tsx'
import { CopyButton } from '../ui/Copy.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Notice } from '../ui/Notice.tsx'
import { actOf, isTerminalOnly } from './act-words.ts'
import { NotMe } from './NotMe.tsx'
import { RequestFacts } from './RequestFacts.tsx'
import { useSecondsLeft } from './use-seconds-left.ts'

/** How it ended, and what happens in the terminal now (A7, A9). */
export function Outcome(props: { view: LoginRequestView; approval: Approval | undefined; failure: unknown; onDenied(): void }) {
  const { view, approval } = props
  const { t } = useTexts()
  const place = useRef<HTMLDivElement>(null)
  useEffect(() => place.current?.focus(), [view.state, approval])
  const left = useSecondsLeft(view)
  const act = actOf(view)
  const isShell = act === 'shell'
  const reply = isTerminalOnly(act) ? 'signIn.reply' : 'signIn.reply.other'
  // until it has been taken it can still be stopped
  const stoppable = view.state === 'waiting' || view.state === 'needs-reply' || view.state === 'approved'
  const again = t(isShell ? 'signIn.again.shell' : 'signIn.again.other')
  const approved = t(
    isShell ? 'signIn.approved.shell' : view.act === 'session' ? 'signIn.approved.session' : 'signIn.approved.other',
  )

  function content() {
    if (
      approval?.replyCode != null &&
      view.state !== 'denied' &&
      view.state !== 'expired' &&
      view.state !== 'used' &&
      view.state !== 'approved'
    ) {
      return (
        <Notice tone="warn" title={t(`${reply}.title`)} live>
          <p className="flex flex-wrap items-center gap-4 py-2">
            <span className="sr-only">{t('signIn.reply.code')}</span>
            <span className="font-mono text-3xl font-semibold tracking-widest">{approval.replyCode}</span>
            <CopyButton value={approval.replyCode} what={t('signIn.reply.code')} />
          </p>
          <p>{t(`${reply}.text`)}</p>
          <p className="font-medium">{t('signIn.reply.never')}</p>
        </Notice>
      )
    }
    // what this page has just signed is a success, also when the terminal was quicker than our next look
    const mine = approval !== undefined
    const state = mine && view.state === 'waiting' ? approval.state : view.state
    switch (state) {
      case 'approved':
      case 'used':
        return state === 'approved' || mine ? (
          <Notice tone="good" title={t('signIn.approved.title')} live>
            <p>{approved}</p>
            {state === 'used' && isShell && <p>{t('signIn.used.terminal')}</p>}
          </Notice>
        ) : (
          <Notice title={t('signIn.used.title')} live>
            <p>
              {t('signIn.used.text')} {again}
            </p>
          </Notice>
        )
      case 'needs-reply':
        return (
          <Notice tone="warn" title={t('signIn.needsReply.title')} live>
            <p>{t('signIn.needsReply.text')}</p>
          </Notice>
        )
      case 'denied':
        return props.failure instanceof HostFailure ? (
          <ErrorBox error={props.failure} />
        ) : (
          <Notice title={t('signIn.denied.title')} live>
            <p>{t('signIn.denied.text')}</p>
          </Notice>
        )
      case 'expired':
        return (
          <Notice tone="warn" title={t('signIn.expired.title')} live>
            <p>
              {t('signIn.expired.text')} {again}
            </p>
          </Notice>
        )
      case 'waiting':
        return null
    }
  }

  return (
    <>
      <div ref={place} tabIndex={-1} className="outline-none">
        {content()}
      </div>
      {stoppable && (
        <div className="flex flex-wrap items-center gap-4">
          <NotMe view={view} onDenied={props.onDenied} />
          <p className="tabular">{t('signIn.left', { time: clockLength(left) })}</p>
        </div>
      )}
      <Card>
        <RequestFacts view={view} />
      </Card>
    </>
  )
}
