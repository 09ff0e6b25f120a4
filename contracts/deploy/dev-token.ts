import { ContractFactory, Interface, type InterfaceAbi, type Signer } from 'ethers'
import artifact from './dev-token-artifact.json' with { type: 'json' }

/** The ABI of the development token: ERC-20, EIP-2612 and an open `mint`. */
export const devTokenInterface = new Interface(artifact.abi as InterfaceAbi)

/** Deploys the development token and returns its address. For local chains only: anybody may mint. */
export async function deployDevToken(signer: Signer): Promise<string> {
  const contract = await new ContractFactory(artifact.abi as InterfaceAbi, artifact.bytecode, signer).deploy()
  await contract.waitForDeployment()
  return await contract.getAddress()
}
