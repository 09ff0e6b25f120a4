import { AbiCoder, concat, getCreate2Address, getCreateAddress, keccak256, type Provider, type Signer } from 'ethers'
import { AppError } from '@freehold/appliance/errors/app-error'
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

/** What must survive a kill: the salt, or the address that a plain create will get. Kept by the caller before anything is sent. */
export interface DeployJournal {
  get(): Promise<{ address: string } | undefined>
  put(entry: { address: string }): Promise<void>
}

export interface DeployResult {
  address: string
  /** Null if the code was there already. */
  transactionHash: string | null
  blockNumber: number
}

function creationCode(args: DeployArguments): string {
  return concat([
    subscriptionsBytecode,
    subscriptionsInterface.encodeDeploy([args.owner, args.treasury, args.provisioner, args.plans]),
  ])
}

async function isThere(provider: Provider, address: string): Promise<boolean> {
  return (await provider.getCode(address)) !== '0x'
}

/**
 * Deploys `Subscriptions`; code at the address that the journal names is success, so a setup that is killed and repeated
 * never deploys twice (M10). `salt` is 32 random bytes in hex, kept by the caller too.
 * @throws AppError `no-funds` if the signer cannot pay, `transaction-failed` if the deployment reverts
 */
export async function deploySubscriptions(options: {
  provider: Provider
  signer: Signer
  args: DeployArguments
  salt: string
  journal: DeployJournal
}): Promise<DeployResult> {
  const { provider, signer, args, journal } = options
  const code = creationCode(args)
  const known = await journal.get()
  if (known !== undefined && (await isThere(provider, known.address))) {
    return { address: known.address, transactionHash: null, blockNumber: await provider.getBlockNumber() }
  }
  const deterministic = await isThere(provider, deterministicDeployer)
  // a pending create of a former life keeps its nonce: the mined count tells the address that it gets
  const address = deterministic
    ? getCreate2Address(deterministicDeployer, options.salt, keccak256(code))
    : getCreateAddress({
        from: await signer.getAddress(),
        nonce: await provider.getTransactionCount(await signer.getAddress(), 'latest'),
      })
  await journal.put({ address })
  if (await isThere(provider, address)) return { address, transactionHash: null, blockNumber: await provider.getBlockNumber() }
  try {
    const sent = await signer.sendTransaction(
      deterministic ? { to: deterministicDeployer, data: concat([options.salt, code]) } : { data: code },
    )
    const receipt = await sent.wait()
    if (receipt === null || receipt.status !== 1 || !(await isThere(provider, address)))
      throw new Error('the deployment left no code')
    return { address, transactionHash: sent.hash, blockNumber: receipt.blockNumber }
  } catch (cause) {
    if ((cause as { code?: string }).code === 'INSUFFICIENT_FUNDS') {
      throw new AppError({
        code: 'no-funds',
        detail: `${await signer.getAddress()} cannot pay the network fee of the deployment.`,
        cause,
      })
    }
    throw new AppError({ code: 'transaction-failed', detail: 'The contract could not be deployed.', cause })
  }
}

/** 32 random bytes in hex for `salt`, from bytes of the caller. */
export function saltOf(bytes: Uint8Array): string {
  return keccak256(AbiCoder.defaultAbiCoder().encode(['bytes'], [bytes]))
}
