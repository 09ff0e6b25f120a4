'use client'
import type { Host } from '@freehold/appliance/api/schemas/operator'
import type { PlanView } from '@freehold/appliance/api/schemas/status'
import { useHost } from '../api/host-context.tsx'
import { api } from '../api/resources.ts'
import { sameAddress } from '../format/address.ts'
import { mebibytes } from '../format/size.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Address } from '../ui/Address.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Facts } from '../ui/Facts.tsx'
import { Notice } from '../ui/Notice.tsx'
import { usePress } from '../ui/use-press.ts'
import { WalletBox } from '../wallet/WalletBox.tsx'
import { operatorApi } from './operator-api.ts'
import { OperatorPage } from './OperatorPage.tsx'
import { OwnerButton } from './OwnerButton.tsx'
import { ownerCalldata } from './owner-calldata.ts'
import { RatesCard } from './RatesCard.tsx'

interface Loaded {
  host: Host
  plans: readonly PlanView[]
}

/** `/operator/settings`: roles, the pause of sales, the host's key and its replacement, the machine, what setup was told. */
export function SettingsPage() {
  const { t } = useTexts()
  return (
    <OperatorPage
      title={t('operator.nav.settings')}
      behind={{ api: 'GET /v1/host, PUT /v1/rates/{token}, POST /v1/host/provisioner-key', cli: 'freehold status' }}
      name="host"
      load={async (signal): Promise<Loaded> => {
        const [host, { plans }] = await Promise.all([operatorApi.host(signal), api.plans(signal)])
        return { host, plans }
      }}
      everyMs={5000}
    >
      {({ host, plans }, { reload }) => (
        <>
          <Card>
            <WalletBox />
          </Card>
          <Roles host={host} reload={reload} />
          <RatesCard plans={plans} />
          <KeyReplacement host={host} reload={reload} />
          <Machine host={host} />
          <Card className="space-y-4">
            <div>
              <CardTitle>{t('operator.settings.answers')}</CardTitle>
              <p className="mt-1 text-soft">{t('operator.settings.answers.text')}</p>
            </div>
            <Facts
              facts={host.settings.map(({ key, value }) => ({
                label: key,
                value: <span className="font-mono text-sm">{value}</span>,
              }))}
            />
          </Card>
        </>
      )}
    </OperatorPage>
  )
}

function Roles({ host, reload }: { host: Host; reload(): void }) {
  const { t } = useTexts()
  const roles = ['owner', 'treasury', 'contract'] as const
  return (
    <Card className="space-y-4">
      <CardTitle>{t('operator.settings.roles')}</CardTitle>
      <Facts
        facts={roles.map((role) => ({
          label: t(`operator.settings.${role}`),
          value: <Address value={host[role]} what={t(`operator.settings.${role}`)} />,
        }))}
      />
      <p className="text-soft">{t('operator.settings.pause.text')}</p>
      <OwnerButton
        owner={host.owner}
        contract={host.contract}
        onDone={reload}
        data={() => ownerCalldata.setBuyingPaused(!host.buyingPaused)}
      >
        {t(host.buyingPaused ? 'operator.settings.resume' : 'operator.settings.pause')}
      </OwnerButton>
    </Card>
  )
}

/** Make a key, fund it, name it on each contract: from then on the host uses it, and the former one can do nothing. */
function KeyReplacement({ host, reload }: { host: Host; reload(): void }) {
  const { t } = useTexts()
  const { lost } = useHost()
  const { busy, error, press } = usePress()
  const next = host.nextProvisioner
  const make = () =>
    press(async () => {
      await operatorApi.makeNextKey()
      reload()
    })
  return (
    <Card className="space-y-4">
      <div>
        <CardTitle>{t('operator.key.title')}</CardTitle>
        <p className="mt-1 text-soft">{t('operator.key.text')}</p>
      </div>
      <Facts
        facts={[
          { label: t('operator.key.now'), value: <Address value={host.provisioner} what={t('operator.key.now')} /> },
          ...(next === null
            ? []
            : [{ label: t('operator.key.next'), value: <Address value={next} what={t('operator.key.next')} /> }]),
        ]}
      />
      {error !== undefined && <ErrorBox error={error} focus />}
      {next === null ? (
        <Button
          look="secondary"
          onClick={make}
          busy={busy ? t('common.loading') : undefined}
          disabledReason={lost ? t('link.lost.reason') : undefined}
        >
          {t('operator.key.make')}
        </Button>
      ) : (
        <>
          <Notice title={t('operator.key.fund.title')}>
            <p>{t('operator.key.fund.text')}</p>
          </Notice>
          {host.contracts.map(({ installation, address, provisioner }) => (
            <OwnerButton
              key={installation}
              owner={host.owner}
              contract={address}
              look="primary"
              onDone={reload}
              data={() => ownerCalldata.setProvisioner(next)}
              disabledReason={sameAddress(provisioner, next) ? t('operator.key.named') : undefined}
            >
              {t('operator.key.name', { contract: installation })}
            </OwnerButton>
          ))}
        </>
      )}
    </Card>
  )
}

function Machine({ host: { capacity } }: { host: Host }) {
  const { t, locale } = useTexts()
  const gib = (bytes: number) => mebibytes(Math.round(bytes / 2 ** 20), locale)
  return (
    <Card className="space-y-4">
      <CardTitle>{t('operator.machine.title')}</CardTitle>
      {capacity === null ? (
        <p className="text-soft">{t('operator.machine.unknown')}</p>
      ) : (
        <Facts
          facts={[
            { label: t('operator.machine.vcpus'), value: new Intl.NumberFormat(locale).format(capacity.vcpus) },
            {
              label: t('operator.machine.memory'),
              value: t('operator.machine.free', {
                free: mebibytes(capacity.memoryUnpromisedMiB, locale),
                all: mebibytes(capacity.memoryTotalMiB, locale),
              }),
            },
            {
              label: t('operator.machine.disk'),
              value: t('operator.machine.free', { free: gib(capacity.diskUnpromisedBytes), all: gib(capacity.diskTotalBytes) }),
            },
            { label: t('operator.machine.empty'), value: gib(capacity.diskFreeBytes) },
          ]}
        />
      )}
    </Card>
  )
}
