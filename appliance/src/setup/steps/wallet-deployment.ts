import { prepareDeployment } from '@freehold/contracts/prepared-deployment'
import type { DeployArguments } from '@freehold/contracts/deploy'
import type { JsonRpcProvider } from 'ethers'
import { z } from 'zod'
import { AppError } from '../../errors/app-error.ts'
import type { StepIo } from '../../steps/step.ts'
import type { Journal, SetupContext } from '../context.ts'

const pollMs = 1000
/** What the page hands to the operator's wallet, kept so that a reload finds it. */
export const walletRequest = z.strictObject({
  chainId: z.number().int(),
  to: z.string().nullable(),
  data: z.string(),
  address: z.string().nullable(),
  fromBlock: z.number().int(),
})
export type WalletRequest = z.output<typeof walletRequest>

const sentEntry = z.strictObject({ hash: z.string() })

/** The deployment that waits for the operator's wallet, or undefined. */
export async function openWalletRequest(journal: Journal): Promise<WalletRequest | undefined> {
  if ((await journal.get('contract')) !== undefined && (await journal.get('contract')) !== null) return undefined
  return walletRequest.safeParse(await journal.get('wallet deployment')).data
}

/** Notes what the wallet has sent: the contract's address of a plain creation is in its receipt. */
export async function noteWalletTransaction(journal: Journal, hash: string): Promise<void> {
  await journal.put('wallet transaction', { hash })
}

/**
 * Lays the deployment out for the operator's wallet and waits until the contract is there. The owner's key is never here:
 * the page signs, this looks at the chain. Repeated it finds what was sent before.
 * Throws `transaction-failed` if the wallet's transaction failed; rejects when aborted.
 */
export async function deployByWallet(
  context: SetupContext,
  provider: JsonRpcProvider,
  salt: string,
  args: DeployArguments,
  io: StepIo,
): Promise<{ address: string; fromBlock: number }> {
  const { journal, answers } = context
  const prepared = await prepareDeployment({ provider, args, salt })
  const before = walletRequest.safeParse(await journal.get('wallet deployment')).data
  const fromBlock = before?.data === prepared.data ? before.fromBlock : await provider.getBlockNumber()
  if (before !== undefined && before.data !== prepared.data) await journal.put('wallet transaction', null)
  await journal.put('wallet deployment', { chainId: answers.chain.chainId, ...prepared, fromBlock } satisfies WalletRequest)
  for (;;) {
    const found = await placeOf(journal, provider, prepared.address)
    if (found !== undefined) return { address: found, fromBlock }
    io.progress('waiting for the operator’s wallet to sign the deployment')
    await pause(io.signal)
  }
}

async function placeOf(journal: Journal, provider: JsonRpcProvider, known: string | null): Promise<string | undefined> {
  if (known !== null && (await provider.getCode(known)) !== '0x') return known
  const sent = sentEntry.safeParse(await journal.get('wallet transaction')).data
  if (sent === undefined) return undefined
  const receipt = await provider.getTransactionReceipt(sent.hash)
  if (receipt === null) return undefined
  const address = known ?? receipt.contractAddress
  if (receipt.status === 1 && address !== null && (await provider.getCode(address)) !== '0x') return address
  // told once: the next try asks the wallet again
  await journal.put('wallet transaction', null)
  throw new AppError({
    code: 'transaction-failed',
    detail: `The transaction ${sent.hash} brought no contract.`,
    hint: 'Look at it in an explorer, then try again and sign once more.',
  })
}

async function pause(signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, pollMs)
  const abort = (): void => (clearTimeout(timer), resolve())
  signal.addEventListener('abort', abort, { once: true })
  await promise
  signal.removeEventListener('abort', abort)
  signal.throwIfAborted()
}
