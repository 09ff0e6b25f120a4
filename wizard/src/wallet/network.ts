import type { Status } from '@freehold/appliance/api/schemas/status'
import { toQuantity } from 'ethers'
import type { Eip1193Provider } from './discovery.ts'
import { walletFailure } from './wallet-errors.ts'

/**
 * Brings the wallet to the host's network, adding it if the wallet does not know it (EIP-3326, EIP-3085; S3).
 * Throws PageFailure when the person declines.
 */
export async function switchNetwork(provider: Eip1193Provider, chain: Status['chain']): Promise<void> {
  const chainId = toQuantity(chain.chainId)
  try {
    await provider.request({ method: 'wallet_switchEthereumChain', params: [{ chainId }] })
  } catch (error) {
    // 4902: unknown to the wallet. Some wallets wrap it.
    const { code, data } = (error ?? {}) as { code?: number; data?: { originalError?: { code?: number } } }
    if (code !== 4902 && data?.originalError?.code !== 4902) throw walletFailure(error)
    try {
      await provider.request({
        method: 'wallet_addEthereumChain',
        params: [
          {
            chainId,
            chainName: chain.name,
            rpcUrls: [chain.rpcUrl],
            nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
          },
        ],
      })
      // adding does not always switch
      await provider.request({ method: 'wallet_switchEthereumChain', params: [{ chainId }] })
    } catch (second) {
      throw walletFailure(second)
    }
  }
}
