import { hashMessage, SigningKey, Signature, computeAddress } from 'ethers'
import type { VerifiedBy } from './statement.ts'

/** A signature that claims to be made by `address` over `text` with `personal_sign`. */
export interface SignatureClaim {
  address: string
  text: string
  /** 0x and hex. */
  signature: string
}

/**
 * Finds out whether a wallet has signed. Undefined: this verifier cannot say that it did. Throws only where the network is
 * needed and does not answer; a malicious contract makes it slow at worst, never wrong.
 */
export interface WalletVerifier {
  verify(claim: SignatureClaim): Promise<VerifiedBy | undefined>
}

/** Half of the order of secp256k1: above it a signature has a twin. Source: EIP-2, BIP-62. */
const halfOrder = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n

/** The address that made a 65-byte signature with low s and v 27 or 28, in lower case; undefined for anything else. Source: ERC-191. */
export function recoverSigner(text: string, signature: string): string | undefined {
  if (!/^0x[0-9a-fA-F]{130}$/.test(signature)) return undefined
  const v = Number.parseInt(signature.slice(130), 16)
  if (v !== 27 && v !== 28) return undefined
  if (BigInt(`0x${signature.slice(66, 130)}`) > halfOrder) return undefined
  try {
    const parts = Signature.from(signature)
    return computeAddress(SigningKey.recoverPublicKey(hashMessage(text), parts)).toLowerCase()
  } catch {
    return undefined
  }
}

/** Key wallets, also where the address has code (EIP-7702). */
export const ecdsaVerifier: WalletVerifier = {
  verify({ address, text, signature }) {
    return Promise.resolve(recoverSigner(text, signature) === address.toLowerCase() ? 'ecdsa' : undefined)
  },
}

/** Asks one after the other; the first that says yes counts. ECDSA stands first (design.md §8). */
export function firstOf(...verifiers: readonly WalletVerifier[]): WalletVerifier {
  return {
    async verify(claim) {
      for (const verifier of verifiers) {
        const by = await verifier.verify(claim)
        if (by !== undefined) return by
      }
      return undefined
    },
  }
}
