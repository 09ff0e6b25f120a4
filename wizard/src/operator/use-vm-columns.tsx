'use client'
import Link from 'next/link'
import { useTexts } from '../i18n/text-context.tsx'
import { ShortAddress } from '../ui/Address.tsx'
import { textLink } from '../ui/link-button.ts'
import type { Column } from '../ui/Table.tsx'

/** What every table of rented VMs begins with: which VM, of which plan, whose. */
export function useVmColumns<Row extends { vmId: string; hostname: string; planName: string; holder: string }>() {
  const { t } = useTexts()
  const vm: Column<Row> = {
    id: 'vm',
    label: t('operator.vm'),
    cell: (row) => (
      <Link href={`/vms/${row.vmId}`} className={textLink}>
        {row.hostname}
      </Link>
    ),
  }
  const plan: Column<Row> = { id: 'plan', label: t('my.plan'), cell: (row) => row.planName }
  const holder: Column<Row> = { id: 'holder', label: t('vm.holder'), cell: (row) => <ShortAddress value={row.holder} /> }
  return { vm, plan, holder }
}
