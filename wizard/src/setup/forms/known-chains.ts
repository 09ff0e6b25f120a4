/** Networks that finalize and that wallets know. Ids: chainid.network; confirmations: our own choice per block time. */
export const knownChains: readonly { chainId: number; name: string; confirmations: number; test: boolean }[] = [
  { chainId: 1, name: 'Ethereum', confirmations: 12, test: false },
  { chainId: 100, name: 'Gnosis', confirmations: 20, test: false },
  { chainId: 8453, name: 'Base', confirmations: 60, test: false },
  { chainId: 42161, name: 'Arbitrum One', confirmations: 120, test: false },
  { chainId: 11155111, name: 'Sepolia', confirmations: 6, test: true },
]
