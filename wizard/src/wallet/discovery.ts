import { plainName } from '../format/plain-name.ts'

/** EIP-1193. */
export interface Eip1193Provider {
  request(call: { method: string; params?: unknown }): Promise<unknown>
  on?(event: string, listener: (value: unknown) => void): void
  removeListener?(event: string, listener: (value: unknown) => void): void
}

/** A wallet that announced itself (EIP-6963). Name and icon are its own words: shown, never trusted. */
export interface AnnouncedWallet {
  uuid: string
  name: string
  /** A data: URI; other icons are dropped, since they would ask a third party (X22). */
  icon: string | null
  rdns: string
  provider: Eip1193Provider
}

function walletOf(detail: unknown): AnnouncedWallet | undefined {
  const { info, provider } = (detail ?? {}) as { info?: Record<string, unknown>; provider?: Eip1193Provider }
  if (typeof provider?.request !== 'function' || info === undefined) return undefined
  const [uuid, name, icon, rdns] = [info['uuid'], info['name'], info['icon'], info['rdns']]
  if (typeof uuid !== 'string' || typeof name !== 'string' || typeof rdns !== 'string') return undefined
  return {
    uuid,
    name: plainName(name),
    rdns,
    provider,
    icon: typeof icon === 'string' && icon.startsWith('data:image/') ? icon : null,
  }
}

/** Calls `found` for each installed wallet, now and later ones. Returns what ends it. Source: EIP-6963. */
export function discoverWallets(found: (wallet: AnnouncedWallet) => void): () => void {
  const listen = (event: Event) => {
    const wallet = walletOf((event as CustomEvent).detail)
    if (wallet !== undefined) found(wallet)
  }
  window.addEventListener('eip6963:announceProvider', listen)
  window.dispatchEvent(new Event('eip6963:requestProvider'))
  return () => window.removeEventListener('eip6963:announceProvider', listen)
}
