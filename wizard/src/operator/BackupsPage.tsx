'use client'
import type { BackupShown, BackupsShown } from '@freehold/appliance/api/schemas/backups'
import { useState } from 'react'
import { useHost, useNow } from '../api/host-context.tsx'
import { utcTime } from '../format/time.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { CopyField } from '../ui/Copy.tsx'
import { Empty } from '../ui/Empty.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Facts } from '../ui/Facts.tsx'
import { textLink } from '../ui/link-button.ts'
import { Badge, Notice } from '../ui/Notice.tsx'
import { Table } from '../ui/Table.tsx'
import { operatorApi } from './operator-api.ts'
import { OperatorPage } from './OperatorPage.tsx'

/** `/operator/backups`: each sealed backup, what it holds and when it was last proven readable (O7). */
export function BackupsPage() {
  const { t } = useTexts()
  return (
    <OperatorPage
      title={t('operator.nav.backups')}
      lead={t('operator.backups.lead')}
      behind={{ api: 'GET /v1/backups, POST /v1/backups', cli: 'freehold backup list' }}
      name="backups"
      load={operatorApi.backups}
      everyMs={10_000}
    >
      {(state, { reload }) => <Backups state={state} reload={reload} />}
    </OperatorPage>
  )
}

function Backups({ state, reload }: { state: BackupsShown; reload(): void }) {
  const { host, hostLang, t, when } = useTexts()
  const now = useNow()
  const { lost } = useHost()
  const [busy, setBusy] = useState<string>()
  const [error, setError] = useState<unknown>()
  const [said, setSaid] = useState<string>()
  const { failure, backups } = state

  async function act(name: string, work: () => Promise<BackupShown>) {
    setBusy(name)
    setError(undefined)
    setSaid(undefined)
    try {
      const { found } = await work()
      setSaid(found === 'good' ? t('operator.backups.readGood') : t('operator.backups.readBad'))
    } catch (e) {
      setError(e)
    } finally {
      setBusy(undefined)
      reload()
    }
  }

  const away = lost ? t('link.lost.reason') : undefined
  return (
    <div className="space-y-6">
      {state.sealedTo === null && (
        <Notice tone="warn" title={t('operator.backups.nobody.title')}>
          <p>{t('operator.backups.nobody.text')}</p>
          <CopyField label={t('operator.behind.cli')} value="freehold backup key" />
        </Notice>
      )}
      {failure !== null && (
        <Notice tone="bad" title={t('operator.backups.failed', { when: when(failure.at, now) })}>
          <p lang={hostLang}>{failure.detail}</p>
          <p>{host(failure.hint)}</p>
        </Notice>
      )}
      {state.sealedTo !== null && state.staysHere && (
        <Notice tone="warn" title={t('operator.backups.here.title')}>
          <p>{t('operator.backups.here.text')}</p>
        </Notice>
      )}
      {error !== undefined && <ErrorBox error={error} focus />}
      {said !== undefined && (
        <Notice tone="info" live>
          <p>{said}</p>
        </Notice>
      )}
      <Button
        onClick={() => void act('', operatorApi.makeBackup)}
        busy={busy === '' || state.busy ? t('operator.backups.making') : undefined}
        disabledReason={away ?? (state.sealedTo === null ? t('operator.backups.nobody.title') : undefined)}
      >
        {t('operator.backups.make')}
      </Button>
      {backups.length === 0 ? (
        <Empty title={t('operator.backups.none.title')} text={t('operator.backups.none.text')} />
      ) : (
        <Card>
          <List
            backups={backups}
            busy={busy}
            away={away}
            onVerify={(name) => void act(name, () => operatorApi.verifyBackup(name))}
          />
        </Card>
      )}
      <About state={state} />
    </div>
  )
}

function List({
  backups,
  busy,
  away,
  onVerify,
}: {
  backups: readonly BackupShown[]
  busy: string | undefined
  away: string | undefined
  onVerify(name: string): void
}) {
  const { t, when, locale } = useTexts()
  const now = useNow()
  return (
    <Table
      caption={t('operator.nav.backups')}
      rows={backups}
      keyOf={(row) => row.name}
      columns={[
        { id: 'made', label: t('operator.backups.made'), cell: (row) => when(row.createdAt, now) },
        {
          id: 'size',
          label: t('operator.backups.size'),
          numeric: true,
          cell: (row) => `${new Intl.NumberFormat(locale).format(Math.ceil(row.bytes / 1024))}\u00a0KiB`,
        },
        {
          id: 'holds',
          label: t('operator.backups.holds'),
          cell: (row) =>
            row.vms === null || row.files === null
              ? t('operator.backups.unknown')
              : `${t('operator.rented.vms', { count: row.vms })}, ${t('operator.backups.files', { count: row.files })}`,
        },
        {
          id: 'read',
          label: t('operator.backups.read'),
          cell: (row) =>
            row.readAt === null || row.found === null ? (
              <Badge tone="warn">{t('operator.backups.notRead')}</Badge>
            ) : (
              <span className="inline-flex flex-wrap items-center gap-2">
                <Badge tone={row.found === 'good' ? 'good' : 'bad'}>{t(`operator.backups.found.${row.found}`)}</Badge>
                {when(row.readAt, now)}
              </span>
            ),
        },
        {
          id: 'acts',
          label: t('vm.actions'),
          cell: (row) => {
            // what a button is called does not change while it is looked at
            const made = utcTime(row.createdAt, locale)
            return (
              <span className="inline-flex flex-wrap items-center gap-x-4 gap-y-2">
                <Button
                  look="quiet"
                  onClick={() => onVerify(row.name)}
                  busy={busy === row.name ? t('operator.backups.reading') : undefined}
                  disabledReason={away}
                >
                  {t('operator.backups.verify')}
                  <span className="sr-only"> {made}</span>
                </Button>
                <a className={textLink} href={`/v1/backups/${encodeURIComponent(row.name)}/file`} download={row.name}>
                  {t('operator.backups.download')}
                  <span className="sr-only"> {made}</span>
                </a>
              </span>
            )
          },
        },
      ]}
    />
  )
}

function About({ state }: { state: BackupsShown }) {
  const { t } = useTexts()
  return (
    <Card className="space-y-4">
      <CardTitle>{t('operator.backups.about')}</CardTitle>
      <Facts
        facts={[
          { label: t('operator.backups.inside'), value: t('operator.backups.inside.text') },
          { label: t('operator.backups.outside'), value: t('operator.backups.outside.text') },
          { label: t('operator.backups.sealedTo'), value: t(`operator.backups.sealedTo.${state.sealedTo ?? 'nobody'}`) },
          { label: t('operator.backups.folder'), value: <code className="font-mono text-sm break-all">{state.folder}</code> },
          {
            label: t('operator.backups.schedule'),
            value: t('operator.backups.schedule.text', { cron: state.schedule, count: state.keep }),
          },
        ]}
      />
      <h3 className="font-semibold">{t('operator.backups.restore')}</h3>
      <p>{t('operator.backups.restore.text')}</p>
      <CopyField
        label={t('operator.behind.cli')}
        value={'freehold backup restore FILE --key-file KEY\nfreehold apply answers.yaml'}
      />
      <p className="text-soft">{t('operator.backups.restore.since')}</p>
    </Card>
  )
}
