import {
  AbiCoder,
  concat,
  getCreate2Address,
  getCreateAddress,
  isError,
  keccak256,
  type Provider,
  type Signer,
  type TransactionRequest,
} from 'ethers'
import { systemClock, type Clock } from '@freehold/appliance/clock/clock'
import { AppError } from '@freehold/appliance/errors/app-error'
import { checkAcceptance, checkChain, checkFunds } from './preflight.ts'
import { subscriptionsBytecode, subscriptionsInterface } from './subscriptions-interface.ts'

/** The usual deterministic deployer (github.com/Arachnid/deterministic-deployment-proxy): takes salt ‖ creation code. */
export const deterministicDeployer = '0x4e59b44847b379578588920cA78FbF26c0B4956C'

/** One plan as the constructor takes it; amounts in the token's smallest unit. */
export interface NewPlan {
  plan: {
    name: string
    kind: number
    vcpus: number
    memoryMiB: number
    diskGiB: number
    gasPerDay: bigint
    graceSeconds: number
    activationDeadlineSeconds: number
    minSeconds: number
    maxSeconds: number
    capacity: number
    open: boolean
  }
  prices: readonly { token: string; perDay: bigint }[]
}

export interface DeployArguments {
  owner: string
  treasury: string
  provisioner: string
  plans: readonly NewPlan[]
}

/** Where the contract will be, noted before anything is sent. */
export interface DeployEntry {
  address: string
  /** Newest block before the deployment was sent: the contract's logs begin after it. */
  fromBlock?: number
}

/** What must survive a kill. Kept by the caller, together with the salt. */
export interface DeployJournal {
  get(): Promise<DeployEntry | null | undefined>
  put(entry: DeployEntry): Promise<void>
}

export interface DeployResult {
  address: string
  /** Null if the code was there already. */
  transactionHash: string | null
  alreadyThere: boolean
  /** The deployment's block, or one at most as old as the journal knows. */
  blockNumber: number
}

export interface DeployOptions {
  provider: Provider
  signer: Signer
  args: DeployArguments
  /** 32 random bytes in hex (`saltOf`), the same at every try. */
  salt: string
  journal: DeployJournal
  /** Refuses any other chain. */
  chainId?: bigint | number
  clock?: Clock
  /** How long to wait for the transaction to be mined. Default 300. */
  timeoutSeconds?: number
}

async function isThere(provider: Provider, address: string): Promise<boolean> {
  return (await provider.getCode(address)) !== '0x'
}

/** Code stands at the address: it must answer as ours does. */
async function checkOurs(provider: Provider, address: string): Promise<void> {
  try {
    for (const name of ['owner', 'nextTokenId', 'planCount']) {
      const data = await provider.call({ to: address, data: subscriptionsInterface.encodeFunctionData(name) })
      subscriptionsInterface.decodeFunctionResult(name, data)
    }
  } catch (cause) {
    if (!isError(cause, 'CALL_EXCEPTION') && !isError(cause, 'BAD_DATA')) throw cause
    throw new AppError({ code: 'contract-missing', detail: `Another contract stands at ${address}.`, cause })
  }
}

/**
 * Deploys `Subscriptions` once. Code at the address that the journal names is success, and so is code that an earlier,
 * killed try still brings there: safe to repeat at any moment with the same salt and journal (M10). With the usual
 * deterministic deployer the address follows from salt and arguments, else from the signer's next nonce, which a repeated
 * try uses again. Nothing else may send from this signer meanwhile. A contract that an earlier try brought there has the
 * arguments of that try: who may change them in between compares them with the contract's afterwards.
 * @throws AppError `wrong-chain`, `no-funds`, `config-invalid` (the contract refuses roles or plans: nothing was sent),
 * `contract-missing` (foreign code at the address), `timed-out` (repeat it), `transaction-failed`
 */
export async function deploySubscriptions(options: DeployOptions): Promise<DeployResult> {
  const { provider, signer, args, journal, salt } = options
  if (options.chainId !== undefined) await checkChain(provider, BigInt(options.chainId))
  const from = await signer.getAddress()
  const known = (await journal.get()) ?? undefined
  const found = async (address: string, fromBlock: number | undefined): Promise<DeployResult> => {
    await checkOurs(provider, address)
    const blockNumber = fromBlock ?? (await provider.getBlockNumber())
    return { address, transactionHash: null, alreadyThere: true, blockNumber }
  }
  // before the code is looked at: if an earlier try is mined in between, this nonce still leads to its address
  const nonce = await provider.getTransactionCount(from, 'latest')
  if (known !== undefined && (await isThere(provider, known.address))) return await found(known.address, known.fromBlock)

  const code = concat([
    subscriptionsBytecode,
    subscriptionsInterface.encodeDeploy([args.owner, args.treasury, args.provisioner, args.plans]),
  ])
  const deterministic = await isThere(provider, deterministicDeployer)
  const address = deterministic
    ? getCreate2Address(deterministicDeployer, salt, keccak256(code))
    : getCreateAddress({ from, nonce })
  const sameAsBefore = known?.address === address
  if (await isThere(provider, address)) return await found(address, sameAsBefore ? known.fromBlock : undefined)

  if (known !== undefined && (await provider.getTransactionCount(from, 'pending')) > nonce) {
    // the killed try's transaction waits in the node's pool: it is waited for, not sent again, and also if the arguments
    // were changed meanwhile: it cannot be called back, and a second contract would leave the first with our roles
    await untilThere(options, known.address, null)
    return await found(known.address, known.fromBlock)
  }

  const request: TransactionRequest = deterministic
    ? { from, nonce, to: deterministicDeployer, data: concat([salt, code]) }
    : { from, nonce, data: code }
  await checkAcceptance(provider, from, code)
  await checkFunds(provider, request, from)
  const fromBlock = (sameAsBefore ? known.fromBlock : undefined) ?? (await provider.getBlockNumber())
  await journal.put({ address, fromBlock })
  const transactionHash = await broadcast(signer, request, from)
  const deployed = await untilThere(options, address, transactionHash)
  await checkOurs(provider, address)
  return { address, transactionHash, alreadyThere: transactionHash === null, blockNumber: deployed ?? fromBlock }
}

/** The hash, or null if the node knows a transaction of this nonce already: an earlier try's, which is then waited for. */
async function broadcast(signer: Signer, request: TransactionRequest, from: string): Promise<string | null> {
  try {
    return (await signer.sendTransaction(request)).hash
  } catch (cause) {
    const taken = isError(cause, 'NONCE_EXPIRED') || isError(cause, 'REPLACEMENT_UNDERPRICED')
    if (taken || /already (known|imported)/i.test(String(cause))) return null
    if (isError(cause, 'INSUFFICIENT_FUNDS')) {
      throw new AppError({ code: 'no-funds', detail: `${from} cannot pay the fee of the deployment.`, cause })
    }
    throw new AppError({ code: 'transaction-failed', detail: 'The deployment could not be sent.', cause })
  }
}

/** Resolves once code stands at the address, with the block of our own transaction where it brought it there. */
async function untilThere(options: DeployOptions, address: string, hash: string | null): Promise<number | undefined> {
  const { provider, clock = systemClock, timeoutSeconds = 300 } = options
  const end = clock.monotonicMs() + timeoutSeconds * 1000
  for (;;) {
    const receipt = hash === null ? null : await provider.getTransactionReceipt(hash)
    // whoever brought the code there: an earlier try may have been first, and this one then fails
    if (await isThere(provider, address)) return receipt?.status === 1 ? receipt.blockNumber : undefined
    if (receipt !== null) {
      throw new AppError({ code: 'transaction-failed', detail: `The deployment ${hash} left no contract at ${address}.` })
    }
    if (clock.monotonicMs() >= end) {
      const detail = `The deployment of ${address} is not mined after ${timeoutSeconds} s.`
      throw new AppError({ code: 'timed-out', detail, hint: 'Repeat the step: it waits for the same transaction.' })
    }
    await clock.wait(500)
  }
}

/** 32 random bytes in hex for `salt`, from bytes of the caller. */
export function saltOf(bytes: Uint8Array): string {
  return keccak256(AbiCoder.defaultAbiCoder().encode(['bytes'], [bytes]))
}
