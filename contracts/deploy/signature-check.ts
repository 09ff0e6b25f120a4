import { AbiCoder, concat, ZeroAddress } from 'ethers'
import artifact from './signature-check-artifact.json' with { type: 'json' }

/** What is asked of a contract wallet. */
export interface SignatureQuestion {
  wallet: string
  /** The `personal_sign` hash of the text. */
  hash: string
  /** 0x and hex, without the wrapper of ERC-6492. */
  signature: string
  /** How the wallet would be made, if it is not deployed yet. */
  deployment?: { factory: string; data: string } | undefined
}

/** The data of an `eth_call` without `to`; its answer is one word: 0 no, 1 yes, 2 yes once deployed. Source: SignatureCheck.sol. */
export function signatureCheckData({ wallet, hash, signature, deployment }: SignatureQuestion): string {
  const types = ['address', 'bytes32', 'bytes', 'address', 'bytes']
  const values = [wallet, hash, signature, deployment?.factory ?? ZeroAddress, deployment?.data ?? '0x']
  return concat([artifact.bytecode, AbiCoder.defaultAbiCoder().encode(types, values)])
}
