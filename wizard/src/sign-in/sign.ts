import type { Approval, LoginRequestView } from '@freehold/appliance/api/schemas/sign-in'
import { signInText } from '@freehold/appliance/sign-in/sign-in-text'
import { hexlify, toUtf8Bytes } from 'ethers'
import { HostFailure } from '../api/failure.ts'
import { api } from '../api/resources.ts'
import type { ConnectedWallet } from '../wallet/wallet-context.tsx'
import { walletFailure } from '../wallet/wallet-errors.ts'
import { factsOf } from '@freehold/appliance/api/schemas/sign-in-facts'
import { plainCode } from './plain-code.ts'

/** Rebuilds the text, has the wallet sign it, and sends the signature. Throws PageFailure or HostFailure. */
export async function approveWith(
  wallet: ConnectedWallet,
  view: LoginRequestView,
  onSigned: () => void = () => undefined,
): Promise<Approval> {
  refuseOtherOrigin(view)
  const text = signInText(factsOf(view, wallet.address))
  let signature: string
  try {
    signature = String(
      await wallet.provider.request({ method: 'personal_sign', params: [hexlify(toUtf8Bytes(text)), wallet.address] }),
    )
  } catch (error) {
    throw walletFailure(error)
  }
  onSigned()
  return await api.approve(plainCode(view.code), wallet.address, signature)
}

/** A text for another site is never signed here (A2). */
function refuseOtherOrigin(view: LoginRequestView): void {
  if (new URL(view.origin).origin === location.origin) return
  throw new HostFailure({
    title: 'This request belongs to another address',
    detail: `It was made for ${view.origin}, and this page is ${location.origin}.`,
    hint: 'Open it at its own address.',
    code: 'misdirected',
    status: 421,
    instance: location.pathname,
    requestId: '-',
    retryable: false,
  })
}

/** An act that this browser asks for and approves by itself: `session`, `reinstall`, … Resolves with the approved request's id. */
export async function signAct(
  wallet: ConnectedWallet,
  act: string,
  vmId?: string,
): Promise<{ requestId: string; approval: Approval }> {
  const view = await api.newLoginRequest(act, vmId)
  const approval = await approveWith(wallet, view)
  return { requestId: view.requestId, approval }
}
