import { getAddress } from 'ethers'

/** An address with its checksum (EIP-55). Loaded when a wallet is there: who only reads plans needs no hashes. */
export function withChecksum(address: string): string {
  return getAddress(address)
}
