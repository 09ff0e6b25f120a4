'use client'
import { useTexts } from '../i18n/text-context.tsx'
import { ShortAddress } from '../ui/Address.tsx'
import type { Column } from '../ui/Table.tsx'
import { VmLink } from './VmLink.tsx'

/** What every table of rented VMs begins with: which VM, of which plan, whose. */
export function useVmColumns<Row extends { vmId: string; hostname: string; planName: string; holder: string }>() {
  const { t } = useTexts()
  const vm: Column<Row> = {
    id: 'vm',
    label: t('operator.vm'),
    cell: (row) => <VmLink vmId={row.vmId}>{row.hostname}</VmLink>,
  }
  const plan: Column<Row> = { id: 'plan', label: t('my.plan'), cell: (row) => <PlanName>{row.planName}</PlanName> }
  const holder: Column<Row> = { id: 'holder', label: t('vm.holder'), cell: (row) => <ShortAddress value={row.holder} /> }
  return { vm, plan, holder }
}

/** However long it is, it makes its column no wider than its share. */
function PlanName({ children }: { children: string }) {
  return <bdi className="inline-block min-w-20 wrap-anywhere">{children}</bdi>
}
