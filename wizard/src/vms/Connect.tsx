'use client'
import type { VmView } from '@freehold/appliance/api/schemas/vms'
import { useTexts } from '../i18n/text-context.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { CopyField } from '../ui/Copy.tsx'
import { Facts } from '../ui/Facts.tsx'

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
                { label: t('vm.user'), value: ssh.user },
                {
                  label: t('vm.host'),
                  value: ssh.port === 22 ? ssh.host : t('vm.host.port', { host: ssh.host, port: String(ssh.port) }),
                },
              ]),
          { label: t('vm.ipv6'), value: addresses.ipv6 ?? t('vm.none') },
          { label: t('vm.ipv4'), value: addresses.ipv4 ?? t('vm.none') },
        ]}
      />
    </Card>
  )
}
