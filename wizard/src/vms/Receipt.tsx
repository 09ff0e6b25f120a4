'use client'
import type { VmView } from '@freehold/appliance/api/schemas/vms'
import { useTexts } from '../i18n/text-context.tsx'
import { useHost } from '../api/host-context.tsx'
import { Button } from '../ui/Button.tsx'

/** What was bought, as JSON for the buyer's own books (S9). It holds what the chain shows, nothing of the VM's inside. */
export function receiptOf(vm: VmView, chainId: number, transaction: string | undefined): string {
  const s = vm.subscription
  return `${JSON.stringify(
    {
      receipt: 'freehold',
      vmId: s.vmId,
      plan: s.planName,
      paid: { units: s.paid, decimals: s.decimals, symbol: s.symbol, token: s.token },
      seconds: s.seconds,
      boughtAt: iso(s.boughtAt),
      activatedAt: iso(s.activatedAt),
      expiresAt: iso(s.expiresAt),
      holder: s.holder,
      chainId,
      contract: s.contract,
      tokenId: s.tokenId,
      ...(transaction !== undefined && { transaction }),
    },
    undefined,
    2,
  )}\n`
}

function iso(unixSeconds: number): string | null {
  return unixSeconds === 0 ? null : new Date(unixSeconds * 1000).toISOString()
}

/** Saves the receipt as a file. */
export function ReceiptButton({ vm, transaction }: { vm: VmView; transaction?: string | undefined }) {
  const { t } = useTexts()
  const { status } = useHost()
  function save() {
    const url = URL.createObjectURL(
      new Blob([receiptOf(vm, status?.chain.chainId ?? 0, transaction)], { type: 'application/json' }),
    )
    const link = document.createElement('a')
    link.href = url
    link.download = `freehold-${vm.vmId}.json`
    link.click()
    URL.revokeObjectURL(url)
  }
  return (
    <Button look="secondary" onClick={save}>
      {t('vm.receipt')}
    </Button>
  )
}
