import type { Wallet } from 'ethers'

/** Who signs for the person at the terminal. Keys never stand in arguments or the environment. */
export interface CliWallet {
  address: string
  signText(text: string): Promise<string>
  signTransaction(transaction: Parameters<Wallet['signTransaction']>[0]): Promise<string>
}

/** A wallet from an ethers key. */
export function walletOf(wallet: Pick<Wallet, 'address' | 'signMessage' | 'signTransaction'>): CliWallet {
  return {
    address: wallet.address,
    signText: (text) => wallet.signMessage(text),
    signTransaction: (transaction) => wallet.signTransaction(transaction),
  }
}
