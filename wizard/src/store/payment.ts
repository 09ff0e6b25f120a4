import type { PlanView, Quote } from '@freehold/appliance/api/schemas/status'
import { allowanceOf, calldata, nativeToken } from '../chain/contract.ts'
import { signPermit } from '../chain/permit.ts'
import { sendCall, waitIncluded, type Call } from '../chain/send.ts'
import type { ConnectedWallet } from '../wallet/wallet-context.tsx'

export type TokenPrice = PlanView['prices'][number]
/** What the wallet is asked, one after the other. */
export type ConfirmationKind = 'approve' | 'permit' | 'pay'

/**
 * Which confirmations a payment needs: none but the payment itself with the native coin or where the exact amount is
 * already approved; a permit where the token knows it; else an approval of exactly the amount. Never unlimited (S5).
 */
export function confirmationsFor(price: TokenPrice, amount: bigint, allowance: bigint): ConfirmationKind[] {
  if (price.token === nativeToken || allowance >= amount) return ['pay']
  return [price.permit ? 'permit' : 'approve', 'pay']
}

/** What is asked of `allowanceOf`, which has no meaning for the native coin. */
export async function neededConfirmations(
  price: TokenPrice,
  amount: bigint,
  owner: string,
  contract: string,
): Promise<ConfirmationKind[]> {
  return confirmationsFor(price, amount, price.token === nativeToken ? 0n : await allowanceOf(price.token, owner, contract))
}

/** A payment to the contract; the call depends on whether a permit was signed. */
export interface Payment {
  wallet: ConnectedWallet
  price: TokenPrice
  quote: Pick<Quote, 'contract' | 'price'>
  /** Unix seconds of the chain, for the permit's end. */
  now: number
  /** Calldata without a permit, and with one where the contract takes it. */
  call: string
  callWithPermit?: (permit: Awaited<ReturnType<typeof signPermit>>) => string
  /** Which confirmation is open, and whether the wallet or the network is awaited. */
  onStep(index: number, stage: 'wallet' | 'network'): void
}

/** Runs the confirmations in order. Resolves with the hash of the payment once the wallet has sent it. Throws PageFailure. */
export async function pay(payment: Payment, confirmations: readonly ConfirmationKind[]): Promise<string> {
  const { wallet, price, quote } = payment
  const amount = BigInt(quote.price)
  const value = price.token === nativeToken ? amount : 0n
  let call: Call = { to: quote.contract, data: payment.call, value }
  for (const [index, kind] of confirmations.entries()) {
    payment.onStep(index, 'wallet')
    switch (kind) {
      case 'permit': {
        const permit = await signPermit(wallet, price.token, quote.contract, amount, payment.now + 3600)
        if (payment.callWithPermit !== undefined) call = { ...call, data: payment.callWithPermit(permit) }
        break
      }
      case 'approve': {
        const hash = await sendCall(wallet, { to: price.token, data: calldata.approve(quote.contract, amount) })
        payment.onStep(index, 'network')
        await waitIncluded(hash)
        break
      }
      case 'pay':
        return await sendCall(wallet, call)
    }
  }
  throw new TypeError('a payment ends with its payment')
}
