import type { Config } from './schema.ts'

/**
 * What this host was set up with, for the operator to read: names as in the answer file. Nothing secret is among it; of an RPC
 * address only the server is shown, since its path often is a key.
 */
export function shownSettings(config: Config): { key: string; value: string }[] {
  const { chain, hypervisor, taking, listen, wasm, backup, network } = config
  const rows: [string, string | number | boolean | undefined | null][] = [
    ['mode', config.mode],
    ['origin', config.origin],
    ['chain.name', chain.name],
    ['chain.chainId', chain.chainId],
    ['chain.rpcUrls', chain.rpcUrls.map((url) => new URL(url).host).join(', ')],
    ['chain.confirmations', chain.confirmations],
    ['chain.maxFeePerTransactionWei', chain.maxFeePerTransactionWei],
    ['chain.maxFeePerDayWei', chain.maxFeePerDayWei],
    ['chain.lowBalanceWei', chain.lowBalanceWei],
    ['hypervisor.kind', hypervisor.kind],
    ['template.sha256', config.template.sha256],
    ['network.ipv4.gateway', config.mode === 'installed' ? network.ipv4.gateway : undefined],
    ['network.ipv6.prefix', network.ipv6 && `${network.ipv6.prefix}/${network.ipv6.prefixLength}`],
    ['taking.waitSeconds', taking.waitSeconds],
    ['taking.destroysPerDayMinimum', taking.destroysPerDayMinimum],
    ['listen.login', listen.login],
    ['listen.metrics', listen.metrics],
    ['wasm.enabled', wasm.enabled],
    ['backup.folder', backup.folder],
    ['backup.recipient', backup.recipient],
    ['backup.schedule', backup.recipient === undefined && backup.passphraseFile === undefined ? undefined : backup.schedule],
  ]
  return rows.flatMap(([key, value]) => (value === undefined || value === null ? [] : [{ key, value: String(value) }]))
}
