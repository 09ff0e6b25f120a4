import { signatureCheckData, type SignatureQuestion } from '@freehold/contracts/signature-check'
import { AbiCoder, hashMessage } from 'ethers'
import type { BlockRef, Heads } from '../chain/port.ts'
import { AppError } from '../errors/app-error.ts'
import type { VerifiedBy } from './statement.ts'
import type { WalletVerifier } from './wallet-verifier.ts'

/** Enough for a wallet to be made and to check a P-256 signature in Solidity; a node's own cap may be lower. */
const gas = '0x989680'
/** Under the 256 KiB of a body with room, and under the 49,152 bytes of creation code (EIP-3860). */
const longestSignature = 10_000
/** Open questions to the node at once; more are refused, so that hostile wallets cannot hold the host's reads. */
const atOnce = 8
/** The end of a wrapped signature. Source: ERC-6492. */
const wrapperMagic = '6492'.repeat(16)

export interface ContractWalletPorts {
  /** Heads of the chain, read now. Throws `rpc-unreachable`, … */
  heads(): Promise<Pick<Heads, 'latest' | 'giving'>>
  /** One JSON-RPC read, bounded in time and in size of its answer by whoever binds it. Throws `rpc-unreachable`, `rpc-refused`. */
  call(method: string, params: readonly unknown[]): Promise<unknown>
}

/**
 * Wallets that are contracts: ERC-1271, and ERC-6492 for those not deployed yet. Each is asked in one `eth_call` at the giving
 * depth and one at `latest`, both pinned to their block: a wallet must say yes in both. It never outvotes key recovery, which
 * stands before it (`firstOf`). A wallet that says yes to everything opens only what itself holds. Throws what the node's
 * failure is, and `too-many-requests`.
 */
export function contractWalletVerifier(ports: ContractWalletPorts): WalletVerifier {
  let open = 0

  async function answerAt(block: BlockRef, data: string): Promise<VerifiedBy | undefined> {
    const pinned = { blockHash: block.hash, requireCanonical: true }
    const answer = await ports.call('eth_call', [{ data, gas }, pinned])
    if (answer === `0x${'1'.padStart(64, '0')}`) return 'erc1271'
    if (answer === `0x${'2'.padStart(64, '0')}`) return 'erc6492'
    return undefined
  }

  async function ask(question: SignatureQuestion): Promise<VerifiedBy | undefined> {
    const data = signatureCheckData(question)
    const { giving, latest } = await ports.heads()
    const now = await answerAt(latest, data)
    if (now === undefined || giving.hash === latest.hash) return now
    return (await answerAt(giving, data)) === undefined ? undefined : now
  }

  return {
    async verify({ address, text, signature }) {
      const parts = unwrapped(signature)
      if (parts === undefined) return undefined
      if (open >= atOnce) {
        throw new AppError({ code: 'too-many-requests', detail: 'Too many contract wallets are being asked just now.' })
      }
      open += 1
      try {
        return await ask({ wallet: address, hash: hashMessage(text), ...parts })
      } finally {
        open -= 1
      }
    },
  }
}

/** The wallet's own signature and how it would be made; undefined for what no wallet need be asked about. */
function unwrapped(signature: string): Pick<SignatureQuestion, 'signature' | 'deployment'> | undefined {
  if (!/^0x(?:[0-9a-fA-F]{2})+$/.test(signature) || signature.length > 2 + 2 * longestSignature) return undefined
  if (!signature.toLowerCase().endsWith(wrapperMagic)) return { signature }
  try {
    const [factory, data, inner] = AbiCoder.defaultAbiCoder()
      .decode(['address', 'bytes', 'bytes'], `0x${signature.slice(2, -wrapperMagic.length)}`)
      .toArray() as [string, string, string]
    return { signature: inner, deployment: { factory, data } }
  } catch {
    return undefined
  }
}
