'use client'
import Link from 'next/link'
import { useCallback, useEffect, useRef, useState } from 'react'
import { PageFailure } from '../api/failure.ts'
import { useHost, useNow } from '../api/host-context.tsx'
import { useTexts } from '../i18n/text-context.tsx'
import { signAct } from '../sign-in/sign.ts'
import { SignElsewhere } from '../sign-in/SignElsewhere.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle, PageHeading } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Badge, Notice } from '../ui/Notice.tsx'
import { usePress } from '../ui/use-press.ts'
import { useWallets } from '../wallet/wallet-context.tsx'
import { WalletBox } from '../wallet/WalletBox.tsx'
import { openConsole, type ConsoleEvents, type ConsoleLink } from './console-link.ts'
import { TerminalView, type TerminalHandle } from './TerminalView.tsx'

const quietLink = 'inline-flex min-h-11 items-center text-brand underline underline-offset-4 hover:text-brand-strong'

type State =
  | { kind: 'closed' }
  | { kind: 'opening'; requestId: string }
  | { kind: 'open'; requestId: string; hostname: string; until: number }
  | { kind: 'ended'; code: Parameters<ConsoleEvents['ended']>[0] }

/** `/vms/[vmId]/console`: the serial console, each time under a fresh signature (O6, S13). Needs nothing of the guest. */
export function ConsolePage({ vmId }: { vmId: string }) {
  const { t } = useTexts()
  const [state, setState] = useState<State>({ kind: 'closed' })
  const [error, setError] = useState<unknown>()
  const name = state.kind === 'open' ? state.hostname : `vm-${vmId.split('-')[1] ?? ''}`
  const running = state.kind === 'opening' || state.kind === 'open'
  return (
    <div className={running ? 'space-y-6' : 'mx-auto max-w-2xl space-y-6'}>
      <PageHeading title={t('console.title', { name })} lead={running ? undefined : t('console.lead')}>
        {state.kind === 'open' && <Badge tone="good">{t('console.open')}</Badge>}
      </PageHeading>
      {state.kind === 'ended' && (
        <Notice tone={state.code === 'closed' ? 'info' : 'warn'} title={t('console.ended')} live>
          <p>{t(`console.end.${state.code}`)}</p>
        </Notice>
      )}
      {running ? (
        <Session
          key={state.requestId}
          vmId={vmId}
          requestId={state.requestId}
          onOpen={(info) => setState({ kind: 'open', requestId: state.requestId, ...info })}
          onEnded={(code) => setState({ kind: 'ended', code })}
          onRefused={(e) => {
            setError(e)
            setState({ kind: 'closed' })
          }}
          until={state.kind === 'open' ? state.until : undefined}
          name={name}
        />
      ) : (
        <Ask vmId={vmId} error={error} setError={setError} onApproved={(requestId) => setState({ kind: 'opening', requestId })} />
      )}
      <p>
        <Link href={`/vms/${encodeURIComponent(vmId)}`} className={quietLink}>
          {t('console.back')}
        </Link>
      </p>
    </div>
  )
}

/** Before it opens: what it is, and the signature, here or on another device. */
function Ask(props: { vmId: string; error: unknown; setError(error: unknown): void; onApproved(requestId: string): void }) {
  const { t } = useTexts()
  const { lost } = useHost()
  const { current: wallet } = useWallets()
  const { error, setError } = props
  const { busy, press } = usePress(setError)

  function sign() {
    if (wallet === undefined) return
    press(async () => {
      const signed = await signAct(wallet, 'console', props.vmId)
      if (signed.approval.state !== 'approved') throw new PageFailure('reply')
      props.onApproved(signed.requestId)
    })
  }

  return (
    <Card className="space-y-5">
      <CardTitle>{t('console.sign.title')}</CardTitle>
      <p>{t('console.sign.text')}</p>
      <WalletBox />
      {error !== undefined && <ErrorBox error={error} focus />}
      {wallet !== undefined && (
        <Button
          onClick={sign}
          busy={busy ? t('signIn.approving') : undefined}
          disabledReason={lost ? t('link.lost.reason') : undefined}
        >
          {t('console.sign')}
        </Button>
      )}
      <SignElsewhere act="console" vmId={props.vmId} onApproved={props.onApproved} />
    </Card>
  )
}

/** The open console in its frame: VM, user, how to leave. */
function Session(props: {
  vmId: string
  requestId: string
  name: string
  until: number | undefined
  onOpen(info: { hostname: string; until: number }): void
  onEnded(code: Parameters<ConsoleEvents['ended']>[0]): void
  onRefused(error: unknown): void
}) {
  const { t, when } = useTexts()
  const now = useNow()
  const link = useRef<ConsoleLink>(undefined)
  const [terminal, setTerminal] = useState<TerminalHandle>()
  const close = useRef<HTMLDivElement>(null)
  const latest = useRef(props)
  useEffect(() => {
    latest.current = props
  })
  const { vmId, requestId } = props

  // the signature opens one console: it is dialled once the terminal is there to show what comes
  useEffect(() => {
    if (terminal === undefined) return undefined
    let gone = false
    const mine = openConsole(vmId, requestId, {
      open: ({ hostname, until }) => gone || latest.current.onOpen({ hostname, until }),
      bytes: (bytes) => terminal.write(bytes),
      ended: (code) => gone || latest.current.onEnded(code),
      refused: (error) => gone || latest.current.onRefused(error),
    })
    link.current = mine
    return () => {
      gone = true
      mine.close()
    }
  }, [terminal, vmId, requestId])

  const leave = useCallback(() => close.current?.querySelector('button')?.focus(), [])
  return (
    <section aria-label={t('console.frame', { name: props.name })} className="space-y-3">
      <div className="flex flex-wrap items-start justify-between gap-3">
        <p className="text-soft">
          {t('console.who', { name: props.name })} {t('console.leave')}{' '}
          {props.until !== undefined && t('console.until', { when: when(props.until, now) })}
        </p>
        <div ref={close}>
          <Button look="secondary" onClick={() => link.current?.close()}>
            {t('console.close')}
          </Button>
        </div>
      </div>
      <TerminalView
        label={t('console.terminal', { name: props.name })}
        onReady={setTerminal}
        onType={(text) => link.current?.write(text)}
        onLeave={leave}
      />
      <p className="text-sm text-soft">{t('console.hint')}</p>
    </section>
  )
}
