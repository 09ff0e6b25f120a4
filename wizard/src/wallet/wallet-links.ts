/** A wallet's app that opens a page in its own browser. */
export interface WalletLink {
  name: string
  href: string
}

/** Names of the machine itself: no phone gets there. */
const ownNames = /^(?:localhost|.*\.localhost|127(?:\.\d+){3}|\[::1\])$/

/**
 * Links that open `here` in the browser of a wallet's app on a phone (S14): the app's own address, without a relay or a service of
 * anybody between page and wallet. None for a page that only this machine can open. Sources: docs.metamask.io, "Open a dapp inside
 * the in-app browser" (the address unencoded, without its scheme); docs.cdp.coinbase.com and developer.trustwallet.com, deep links.
 */
export function walletLinks(here: string): WalletLink[] {
  const url = new URL(here)
  if (ownNames.test(url.hostname)) return []
  const encoded = encodeURIComponent(url.href)
  return [
    { name: 'MetaMask', href: `https://link.metamask.io/dapp/${url.host}${url.pathname}${url.search}${url.hash}` },
    { name: 'Coinbase Wallet', href: `https://go.cb-w.com/dapp?cb_url=${encoded}` },
    { name: 'Trust Wallet', href: `https://link.trustwallet.com/open_url?coin_id=60&url=${encoded}` },
  ]
}
