import { HDNodeWallet } from 'ethers'

// The mnemonic that every local EVM node ships with. Its keys are public knowledge: they are worth nothing anywhere else.
const phrase = 'test test test test test test test test test test test junk'

/** Development wallet number `index` (0–9); on the local chain it holds 10,000 coins. */
export function devWallet(index: number): HDNodeWallet {
  return HDNodeWallet.fromPhrase(phrase, undefined, `m/44'/60'/0'/0/${index}`)
}
