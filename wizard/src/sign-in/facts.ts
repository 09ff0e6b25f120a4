import type { LoginRequestView } from '@freehold/appliance/api/schemas/sign-in'
import type { Act, SignInFacts } from '@freehold/appliance/sign-in/sign-in-text'

/** The facts that enter the signed text: the host's, plus the one thing the page brings, the address (design §8). */
export function factsOf(view: LoginRequestView, address: string): SignInFacts {
  const vm =
    view.contract === null || view.tokenId === null || view.generation === null
      ? undefined
      : { contract: view.contract, tokenId: BigInt(view.tokenId), generation: view.generation }
  return {
    act: view.act as Act,
    origin: view.origin,
    address,
    chainId: view.chainId,
    source: view.source,
    code: view.code,
    nonce: view.nonce,
    issuedAt: view.issuedAt,
    expiresAt: view.expiresAt,
    requestId: view.requestId,
    ...(vm !== undefined && { vm }),
    ...(view.hostKey !== null && { hostKey: view.hostKey }),
    ...(view.user !== null && { user: view.user }),
  }
}

/** A code as the API takes it: dash, blanks and case ignored, O and 0, I, L and 1 alike (PROTOCOL.md). */
export function plainCode(text: string): string {
  return text
    .toUpperCase()
    .replace(/[^0-9A-Z]/g, '')
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1')
}
