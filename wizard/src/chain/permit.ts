import { Signature } from 'ethers'
import type { ConnectedWallet } from '../wallet/wallet-context.tsx'
import { walletFailure } from '../wallet/wallet-errors.ts'
import { permitFacts, type Permit } from './contract.ts'

const fields = {
  EIP712Domain: [
    { name: 'name', type: 'string' },
    { name: 'version', type: 'string' },
    { name: 'chainId', type: 'uint256' },
    { name: 'verifyingContract', type: 'address' },
  ],
  Permit: [
    { name: 'owner', type: 'address' },
    { name: 'spender', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'nonce', type: 'uint256' },
    { name: 'deadline', type: 'uint256' },
  ],
}

/**
 * Asks the wallet for a permit of exactly `amount` to `spender`, good until `deadline` (unix seconds of the chain).
 * Source: EIP-2612. Throws PageFailure.
 */
export async function signPermit(
  wallet: ConnectedWallet,
  token: string,
  spender: string,
  amount: bigint,
  deadline: number,
): Promise<Permit> {
  const { nonce, name, version } = await permitFacts(token, wallet.address)
  const typed = {
    types: fields,
    primaryType: 'Permit',
    domain: { name, version, chainId: wallet.chainId, verifyingContract: token },
    message: { owner: wallet.address, spender, value: amount.toString(), nonce: nonce.toString(), deadline },
  }
  try {
    const signature = await wallet.provider.request({
      method: 'eth_signTypedData_v4',
      params: [wallet.address, JSON.stringify(typed)],
    })
    const { v, r, s } = Signature.from(String(signature))
    return { deadline, v, r, s }
  } catch (error) {
    throw walletFailure(error)
  }
}
