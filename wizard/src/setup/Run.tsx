'use client'
import { useEffect, useRef, useState } from 'react'
import type { MessageKey } from '../messages/catalogue.ts'
import { useHost } from '../api/host-context.tsx'
import { utcClock } from '../format/time.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Button, Spinner } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { classes } from '../ui/classes.ts'
import { CopyButton } from '../ui/Copy.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Notice } from '../ui/Notice.tsx'
import { QrCode } from '../ui/QrCode.tsx'
import { usePress } from '../ui/use-press.ts'
import { setupApi, type LogLine, type WizardView } from './resources.ts'
import { saveFile } from './save-file.ts'
import { stepText } from './step-text.ts'
import { SkeletonCard } from './SkeletonCard.tsx'
import type { Place } from './Steps.tsx'
import { WalletDeployment } from './WalletDeployment.tsx'

const signs: Record<string, string> = { done: '✓', failed: '×', waiting: '·', skipped: '–', undone: '–' }
const atWork: readonly string[] = ['running', 'undoing']

/** Setup at work: its steps, what it waits for, its log. A closed tab changes nothing (W11); what failed is tried again, gone on without or taken back (W12). */
export function Run({ view, onGo, reload }: { view: WizardView; onGo(to: Place): void; reload(): void }) {
  const { host, hostLang, t, length } = useTexts()
  const { now, lost } = useHost()
  const lines = useLog(view.task?.taskId)
  const { at, error, press } = usePress<'run' | 'skip' | 'undo'>()
  const [asking, setAsking] = useState(false)
  const { task, wallet } = view
  if (task === null) return <SkeletonCard />
  const stopped = task.state === 'failed' || task.state === 'interrupted' || task.state === 'undone'
  const back = task.state === 'running' && task.steps.some((step) => step.state === 'undoing' || step.state === 'undone')
  const phase = task.steps.find((step) => step.state === 'running')?.phase ?? null
  const payee = /^waiting for ([0-9.]+) at (0x[0-9a-fA-F]{40})/.exec(phase ?? '')

  const act = (what: 'run' | 'skip' | 'undo') =>
    press(async () => {
      if (what === 'undo') await setupApi.undo()
      else await setupApi.run(what === 'skip' && view.skippable !== null ? [view.skippable] : [])
      setAsking(false)
      reload()
    }, what)
  const reason = lost ? t('link.lost.reason') : undefined
  const waitsFor = (what: 'run' | 'skip' | 'undo', words: MessageKey) => (at === what ? t(words) : undefined)

  return (
    <Card>
      <CardTitle>{t(titleOf(task.state, back))}</CardTitle>
      <p className="mt-2 max-w-prose text-soft">
        {t(leadOf(task.state, stopped), {
          time: length(Math.max(0, (task.endedAt ?? now() ?? task.createdAt) - task.createdAt)),
        })}
      </p>
      <ol className="mt-5 space-y-1">
        {task.steps.map((step) => (
          <li
            key={step.name}
            aria-current={atWork.includes(step.state) ? 'step' : undefined}
            className={classes(
              'flex min-h-9 items-center gap-3',
              ['waiting', 'skipped', 'undone'].includes(step.state) && 'text-soft',
            )}
          >
            <span aria-hidden="true" className="w-5 text-center font-bold">
              {atWork.includes(step.state) ? (
                <>
                  <Spinner />
                  <span className="hidden motion-reduce:inline">…</span>
                </>
              ) : (
                signs[step.state]
              )}
            </span>
            <span
              className={classes(
                'min-w-0',
                step.state === 'failed' && 'font-semibold text-bad',
                atWork.includes(step.state) && 'font-semibold',
              )}
            >
              {stepText(step.name, t)}
              {step.state === 'skipped' || step.state === 'undone' ? (
                <span>: {t(`setup.stepState.${step.state}`)}</span>
              ) : (
                <span className="sr-only">, {t(`setup.stepState.${step.state}`)}</span>
              )}
              {step.state === 'running' && step.phase !== null && (
                <span className="block text-sm font-normal text-soft">{step.phase}</span>
              )}
            </span>
          </li>
        ))}
      </ol>
      <div role="status" className="sr-only">
        {t('setup.run.at', {
          step: task.steps.filter((step) => step.state === 'done').length,
          of: task.steps.length,
        })}
      </div>
      <div className="mt-5 space-y-4">
        {payee !== null && task.state === 'running' && (
          <Notice title={t('setup.funds.title', { amount: payee[1] ?? '' })}>
            <p>{t('setup.funds.text')}</p>
            <p className="flex flex-wrap items-center gap-2">
              <code className="font-mono text-sm break-all">{payee[2]}</code>
              <CopyButton value={payee[2] ?? ''} what={t('setup.funds.address')} />
            </p>
            <QrCode text={`ethereum:${payee[2] ?? ''}`} label={t('setup.funds.qr')} />
          </Notice>
        )}
        {view.nextCertificate !== null && (
          <Notice tone="warn" live title={t('setup.tls.next')}>
            <p>{t('setup.tls.nextText')}</p>
            <p>
              <code className="font-mono text-sm break-all">{view.nextCertificate}</code>
            </p>
          </Notice>
        )}
        {wallet !== null && <WalletDeployment request={wallet} />}
        {task.error !== null && stopped && (
          <div role="alert">
            <Notice tone="bad" title={host(task.error.title)}>
              <p lang={hostLang}>{task.error.detail}</p>
              <p>{host(task.error.hint)}</p>
              <p>
                <code className="font-mono text-sm">{task.error.code}</code>
              </p>
            </Notice>
          </div>
        )}
        {error !== undefined && <ErrorBox error={error} focus />}
        {stopped && (
          <div className="flex flex-wrap gap-3">
            <Button onClick={() => act('run')} busy={waitsFor('run', 'setup.review.starting')} disabledReason={reason}>
              {t('setup.run.again')}
            </Button>
            {view.skippable !== null && (
              <Button
                look="secondary"
                onClick={() => act('skip')}
                busy={waitsFor('skip', 'setup.review.starting')}
                disabledReason={reason}
              >
                {t('setup.run.skip', { step: stepText(view.skippable, t) })}
              </Button>
            )}
            <Button look="secondary" onClick={() => onGo('review')}>
              {t('setup.run.change')}
            </Button>
            {task.state !== 'undone' && !asking && (
              <Button look="secondary" onClick={() => setAsking(true)} disabledReason={reason}>
                {t('setup.run.undo')}
              </Button>
            )}
          </div>
        )}
        {stopped && view.skippable !== null && <p className="text-sm text-soft">{t(skipText(view.skippable))}</p>}
        {stopped && asking && (
          <Notice tone="warn" live title={t('setup.undoing.title')}>
            <p>{t('setup.undoing.goes')}</p>
            <p>{t('setup.undoing.stays')}</p>
            <div className="flex flex-wrap gap-3 pt-1">
              <Button onClick={() => act('undo')} busy={waitsFor('undo', 'setup.undoing.busy')} disabledReason={reason}>
                {t('setup.undoing.confirm')}
              </Button>
              <Button look="secondary" onClick={() => setAsking(false)}>
                {t('setup.undoing.leave')}
              </Button>
            </div>
          </Notice>
        )}
        <Log lines={lines} />
      </div>
    </Card>
  )
}

function titleOf(state: string, back: boolean): MessageKey {
  if (state === 'undone') return 'setup.run.undone'
  if (state === 'running') return back ? 'setup.run.undoing' : 'setup.run.title'
  return 'setup.run.stopped'
}

function leadOf(state: string, stopped: boolean): MessageKey {
  if (state === 'undone') return 'setup.run.undoneLead'
  return stopped ? 'setup.run.stoppedLead' : 'setup.run.lead'
}

/** What it means to go on without a step. */
function skipText(step: string): MessageKey {
  if (step === 'tls') return 'setup.skip.tls'
  return step === 'backup' ? 'setup.skip.backup' : 'setup.skip.ipv6'
}

/** The lines since the beginning, in order; a lost link catches up. */
function useLog(taskId: string | undefined): readonly LogLine[] {
  const [lines, setLines] = useState<readonly LogLine[]>([])
  useEffect(() => {
    if (taskId === undefined) return undefined
    const abort = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    let after = 0
    setLines([])
    const ask = async () => {
      try {
        const answer = await setupApi.log(after, abort.signal)
        if (abort.signal.aborted) return
        after = answer.lines.at(-1)?.seq ?? after
        if (answer.lines.length > 0) setLines((before) => [...before, ...answer.lines])
      } catch {
        if (abort.signal.aborted) return
      }
      timer = setTimeout(() => void ask(), 1000)
    }
    void ask()
    return () => {
      abort.abort()
      clearTimeout(timer)
    }
  }, [taskId])
  return lines
}

/** Follows its end until somebody scrolls up (X17); not read out line by line (X13). */
function Log({ lines }: { lines: readonly LogLine[] }) {
  const { t, locale } = useTexts()
  const box = useRef<HTMLPreElement>(null)
  const follow = useRef(true)
  useEffect(() => {
    if (follow.current && box.current !== null) box.current.scrollTop = box.current.scrollHeight
  }, [lines])
  const text = lines.map(({ at, line }) => `${t('common.zone', { time: utcClock(at, locale) })} ${line}`).join('\n')
  return (
    <section aria-label={t('setup.log')}>
      <div className="flex flex-wrap items-center justify-between gap-2">
        <h3 className="font-medium">{t('setup.log')}</h3>
        <div className="flex flex-wrap gap-2">
          <CopyButton value={text} what={t('setup.log')} />
          <Button look="secondary" onClick={() => saveFile('setup.log', `${text}\n`)}>
            {t('setup.log.download')}
          </Button>
        </div>
      </div>
      <pre
        ref={box}
        tabIndex={0}
        onScroll={(e) => {
          const { scrollTop, scrollHeight, clientHeight } = e.currentTarget
          follow.current = scrollHeight - scrollTop - clientHeight < 24
        }}
        className="mt-2 max-h-64 min-h-24 overflow-auto rounded-lg border border-line bg-sunk p-3 font-mono text-sm whitespace-pre-wrap"
      >
        {lines.length === 0 ? <span className="text-soft">{t('operator.log.waiting')}</span> : text}
      </pre>
    </section>
  )
}
