'use client'
import { useHost } from '../api/host-context.tsx'
import { sameAddress, shortAddress } from '../format/address.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { useWallets } from './wallet-context.tsx'

const reasons = { holder: 'holder.reason', owner: 'operator.owner.reason' } as const

/** Why the connected wallet cannot send a transaction now, or undefined. `only`: who alone may; without, anybody may. */
export function useSenderReason(only?: { role: keyof typeof reasons; address: string }): string | undefined {
  const { t } = useTexts()
  const { lost, status } = useHost()
  const { current: wallet } = useWallets()
  if (lost) return t('link.lost.reason')
  if (wallet === undefined) return t('error.wallet.gone.hint')
  if (status !== undefined && wallet.chainId !== status.chain.chainId)
    return t('wallet.wrongNetwork', { wallet: wallet.name, network: status.chain.name })
  if (only !== undefined && !sameAddress(wallet.address, only.address))
    return t(reasons[only.role], { address: shortAddress(only.address) })
  return undefined
}
