import { formatEther, isError, type Provider, type TransactionRequest } from 'ethers'
import { AppError } from '@freehold/appliance/errors/app-error'
import { subscriptionsInterface } from './subscriptions-interface.ts'

/** Throws AppError `wrong-chain` unless the node is on this chain. */
export async function checkChain(provider: Provider, chainId: bigint): Promise<void> {
  const found = (await provider.getNetwork()).chainId
  if (found !== chainId) {
    throw new AppError({ code: 'wrong-chain', detail: `The node is on chain ${found}, the configuration says ${chainId}.` })
  }
}

/** Runs the constructor without sending: throws AppError `config-invalid` with the contract's own reason if it refuses. */
export async function checkAcceptance(provider: Provider, from: string, creationCode: string): Promise<void> {
  try {
    await provider.call({ from, data: creationCode })
  } catch (cause) {
    if (!isError(cause, 'CALL_EXCEPTION')) throw cause
    const reason = cause.data === null ? undefined : subscriptionsInterface.parseError(cause.data)?.name
    throw new AppError({
      code: 'config-invalid',
      detail: `The contract refuses these roles or plans: ${reason ?? 'no reason given'}.`,
      hint: 'Correct the roles and plans of the answers.',
      cause,
    })
  }
}

/** Throws AppError `no-funds` if the sender cannot pay what the transaction may cost at the present fee. */
export async function checkFunds(provider: Provider, request: TransactionRequest, from: string): Promise<void> {
  const [balance, fees, gas] = await Promise.all([
    provider.getBalance(from),
    provider.getFeeData(),
    provider.estimateGas({ ...request, nonce: null }).catch((cause: unknown) => {
      if (isError(cause, 'INSUFFICIENT_FUNDS')) return null
      throw new AppError({ code: 'transaction-failed', detail: 'The node cannot estimate the deployment.', cause })
    }),
  ])
  const needed = (gas ?? 0n) * (fees.maxFeePerGas ?? fees.gasPrice ?? 0n)
  if (gas === null || balance < needed) {
    const need = gas === null ? 'more' : `up to ${formatEther(needed)}`
    throw new AppError({
      code: 'no-funds',
      detail: `${from} has ${formatEther(balance)}, the deployment needs ${need}.`,
    })
  }
}
