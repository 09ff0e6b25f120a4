'use client'
import { useHost } from '../api/host-context.tsx'
import { sameAddress, shortAddress } from '../format/address.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { useWallets } from '../wallet/wallet-context.tsx'

/** Why the connected wallet cannot send what only the owner may send, or (owner undefined) what anybody may; else undefined. */
export function useOwnerReason(owner: string | undefined): string | undefined {
  const { t } = useTexts()
  const { lost, status } = useHost()
  const { current: wallet } = useWallets()
  if (lost) return t('link.lost.reason')
  if (wallet === undefined) return t('error.wallet.gone.hint')
  if (status !== undefined && wallet.chainId !== status.chain.chainId)
    return t('wallet.wrongNetwork', { wallet: wallet.name, network: status.chain.name })
  if (owner !== undefined && !sameAddress(wallet.address, owner))
    return t('operator.owner.reason', { address: shortAddress(owner) })
  return undefined
}
