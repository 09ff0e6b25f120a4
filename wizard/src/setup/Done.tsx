'use client'
import { useEffect, useState } from 'react'
import { useTexts } from '../i18n/text-context.tsx'
import { Card, CardTitle, PageHeading } from '../ui/Card.tsx'
import { classes } from '../ui/classes.ts'
import { CopyButton } from '../ui/Copy.tsx'
import { linkButton, secondaryLinkButton, textLink } from '../ui/link-button.ts'
import { rootFile, rootOf, type RootCertificate } from './root-certificate.ts'

const systems = ['windows', 'macos', 'ios', 'android', 'linux', 'firefox'] as const

/** What was answered about backups; undefined where this browser came later and knows of no answer. */
export interface BackupAnswered {
  folder?: string
  recipient?: string
  passphraseFile?: string
}

/** The host is set up: who is the operator now, what to install, what to keep, and the way on (W14, W16). */
export function Done(props: { origin: string; owner: string | undefined; backup: BackupAnswered | undefined }) {
  const { origin, owner, backup } = props
  const { t } = useTexts()
  const root = useRoot()
  return (
    <div className="space-y-8">
      <PageHeading title={t('setup.done.title')} lead={t('setup.done.lead', { origin })} />
      <Card>
        <CardTitle>{t('setup.done.so')}</CardTitle>
        <ul className="mt-4 space-y-3">
          <Row done>{t('setup.done.open.row', { origin })}</Row>
          <Row done>{t('setup.done.code')}</Row>
          <Row done>
            {t('setup.done.operator')}
            {owner !== undefined && <code className="block font-mono text-sm break-all">{owner}</code>}
          </Row>
          {backup !== undefined && backup.recipient === undefined && backup.passphraseFile === undefined && (
            <Row>
              {t('setup.done.backup.none')}{' '}
              <a className={textLink} href={`${origin}/operator/backups`}>
                {t('setup.done.backup.page')}
              </a>
            </Row>
          )}
          <Row>{t('setup.done.medium')}</Row>
        </ul>
        <div className="mt-6 flex flex-wrap gap-3">
          <a className={linkButton} href={`${origin}/operator`}>
            {t('setup.done.console')}
          </a>
          <a className={secondaryLinkButton} href={origin}>
            {t('setup.done.open')}
          </a>
        </div>
      </Card>
      {root !== undefined && <Root root={root} />}
      <Card>
        <CardTitle>{t('setup.done.keep')}</CardTitle>
        <p className="mt-2 max-w-prose text-soft">{t('setup.done.keep.text')}</p>
        <ul className="mt-4 list-disc space-y-2 pl-5">
          <li>{t('setup.done.keep.wallet')}</li>
          {backup?.recipient !== undefined && (
            <li>
              {t('setup.done.keep.recipient')}
              <span className="mt-1 flex flex-wrap items-center gap-2">
                <code className="min-w-0 font-mono text-sm break-all">{backup.recipient}</code>
                <CopyButton value={backup.recipient} what={t('setup.backup.recipient')} />
              </span>
            </li>
          )}
          <li>
            {backup?.folder === undefined ? t('setup.done.keep.backup') : t('setup.done.keep.backups', { folder: backup.folder })}
          </li>
          <li>{t('setup.done.keep.answers')}</li>
          {root !== undefined && <li>{t('setup.done.keep.root')}</li>}
        </ul>
      </Card>
    </div>
  )
}

function Row({ done = false, children }: { done?: boolean; children: React.ReactNode }) {
  const { t } = useTexts()
  return (
    <li className="flex gap-3">
      <span
        aria-hidden="true"
        className={classes(
          'mt-0.5 inline-flex size-5 shrink-0 items-center justify-center rounded-full border text-xs font-bold',
          done ? 'border-good bg-good-tint text-good' : 'border-edge text-soft',
        )}
      >
        {done ? '✓' : ''}
      </span>
      <span className="min-w-0">
        {children}
        <span className="sr-only">, {t(done ? 'setup.done.row.done' : 'setup.done.row.todo')}</span>
      </span>
    </li>
  )
}

/** The root of the host's own authority: installed once per device, browsers do not warn any more. */
function Root({ root }: { root: RootCertificate }) {
  const { t } = useTexts()
  return (
    <Card>
      <CardTitle>{t('setup.root.title')}</CardTitle>
      <p className="mt-2 max-w-prose text-soft">{t('setup.root.text')}</p>
      <p className="mt-4 flex flex-wrap items-center gap-2">
        <code className="min-w-0 font-mono text-sm break-all">{root.fingerprint}</code>
        <CopyButton value={root.fingerprint} what={t('setup.root.fingerprint')} />
      </p>
      <a className={classes(linkButton, 'mt-4')} href={rootFile} download="freehold-root.crt">
        {t('setup.root.download')}
      </a>
      <div className="mt-5 divide-y divide-line border-y border-line">
        {systems.map((system) => (
          <details key={system} className="py-1">
            <summary className="min-h-11 cursor-pointer py-2.5 font-medium">{t(`setup.root.${system}`)}</summary>
            <p className="max-w-prose pb-3 text-pretty">{t(`setup.root.${system}.text`)}</p>
          </details>
        ))}
      </div>
    </Card>
  )
}

/** The host's own root, if it has one. */
function useRoot(): RootCertificate | undefined {
  const [root, setRoot] = useState<RootCertificate>()
  useEffect(() => {
    const abort = new AbortController()
    void rootOf(abort.signal).then((found) => {
      if (!abort.signal.aborted) setRoot(found)
    })
    return () => abort.abort()
  }, [])
  return root
}
