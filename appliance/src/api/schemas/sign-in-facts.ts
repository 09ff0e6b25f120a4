import type { Act, SignInFacts } from '../../sign-in/sign-in-text.ts'
import type { LoginRequestView } from './sign-in.ts'

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
