'use client'
import type { VmView } from '@freehold/appliance/api/schemas/vms'
import { useHost } from '../api/host-context.tsx'
import { sameAddress, shortAddress } from '../format/address.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { useWallets } from '../wallet/wallet-context.tsx'

/** Why the connected wallet cannot send a transaction for this VM now, or undefined. `holderOnly`: only its holder may. */
export function useWalletReason(vm: VmView, holderOnly: boolean): string | undefined {
  const { t } = useTexts()
  const { lost, status } = useHost()
  const { current: wallet } = useWallets()
  if (lost) return t('link.lost.reason')
  if (wallet === undefined) return t('error.wallet.gone.hint')
  if (status !== undefined && wallet.chainId !== status.chain.chainId)
    return t('wallet.wrongNetwork', { wallet: wallet.name, network: status.chain.name })
  if (holderOnly && !sameAddress(wallet.address, vm.subscription.holder))
    return t('holder.reason', { address: shortAddress(vm.subscription.holder) })
  return undefined
}
