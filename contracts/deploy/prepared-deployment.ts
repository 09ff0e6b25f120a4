import { concat, getCreate2Address, keccak256, type Provider } from 'ethers'
import { checkAcceptance } from './preflight.ts'
import { deterministicDeployer, type DeployArguments } from './deploy.ts'
import { subscriptionsBytecode, subscriptionsInterface } from './subscriptions-interface.ts'

/** A deployment that a wallet is asked to sign: the transaction, and where the contract will be if that can be known. */
export interface PreparedDeployment {
  /** Null: a plain creation, whose address follows from the wallet's nonce and is in the receipt. */
  to: string | null
  data: string
  address: string | null
}

/**
 * Prepares a deployment for the operator's own wallet. With the usual deterministic deployer the address follows from salt
 * and arguments, so a second signature brings no second contract. Throws AppError `config-invalid` with the contract's reason.
 */
export async function prepareDeployment(options: {
  provider: Provider
  args: DeployArguments
  /** 32 bytes in hex. */
  salt: string
}): Promise<PreparedDeployment> {
  const { provider, args, salt } = options
  const code = concat([
    subscriptionsBytecode,
    subscriptionsInterface.encodeDeploy([args.owner, args.treasury, args.provisioner, args.plans]),
  ])
  await checkAcceptance(provider, args.owner, code)
  if ((await provider.getCode(deterministicDeployer)) === '0x') return { to: null, data: code, address: null }
  return {
    to: deterministicDeployer,
    data: concat([salt, code]),
    address: getCreate2Address(deterministicDeployer, salt, keccak256(code)),
  }
}
