import type { Config } from '../config/schema.ts'

/** What the deployment takes at most, in wei, at 20 gwei: the deployer waits until it holds this much. */
const deployerNeedsWei = 120_000_000_000_000_000n

/** What a key of this host must hold before setup goes on, in wei: the deployer its deployment, else the provisioner its start. */
export function neededWei({ deployment, chain }: Pick<Config, 'deployment' | 'chain'>): bigint {
  return deployment === 'key' ? deployerNeedsWei : BigInt(chain.lowBalanceWei)
}
