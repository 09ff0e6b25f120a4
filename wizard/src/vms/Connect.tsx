'use client'
import type { VmView } from '@freehold/appliance/api/schemas/vms'
import { useTexts } from '../i18n/text-context.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { CopyButton, CopyField } from '../ui/Copy.tsx'
import { Facts, type Fact } from '../ui/Facts.tsx'

/** How to log in: host key first, so that ssh never asks whether to trust it (S9). */
export function Connect({ vm }: { vm: VmView }) {
  const { t } = useTexts()
  const { ssh, addresses } = vm
  return (
    <Card className="space-y-5">
      <div>
        <CardTitle>{t('vm.connect')}</CardTitle>
        <p className="mt-1 text-soft">{ssh === null ? t('vm.connect.none') : t('vm.connect.text')}</p>
      </div>
      {ssh !== null && (
        <>
          <CopyField label={t('vm.knownHosts')} value={ssh.knownHostsLine} hint={t('vm.knownHosts.hint')} />
          <CopyField label={t('vm.ssh')} value={ssh.command} />
          <CopyField label={t('vm.fingerprint')} value={ssh.hostKeyFingerprint} />
        </>
      )}
      <Facts
        facts={[
          ...(ssh === null
            ? []
            : [
                copied(t('vm.user'), ssh.user),
                copied(
                  t('vm.host'),
                  ssh.host,
                  ssh.port === 22 ? ssh.host : t('vm.host.port', { host: ssh.host, port: String(ssh.port) }),
                ),
              ]),
          addresses.ipv6 === null ? { label: t('vm.ipv6'), value: t('vm.none') } : copied(t('vm.ipv6'), addresses.ipv6),
          addresses.ipv4 === null ? { label: t('vm.ipv4'), value: t('vm.none') } : copied(t('vm.ipv4'), addresses.ipv4),
        ]}
      />
    </Card>
  )
}

/** A short value that is copied whole. */
function copied(label: string, value: string, shown = value): Fact {
  return {
    label,
    value: (
      <span className="flex flex-wrap items-center justify-between gap-2">
        <span className="min-w-0 break-all">{shown}</span>
        <CopyButton value={value} what={label} />
      </span>
    ),
  }
}
