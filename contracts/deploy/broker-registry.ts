import { ContractFactory, Interface, type InterfaceAbi, type Signer } from 'ethers'
import artifact from './broker-registry-artifact.json' with { type: 'json' }

/** The ABI of `BrokerRegistry`, as built. */
export const brokerRegistryInterface = new Interface(artifact.abi as InterfaceAbi)

/** Deploys the registry, which has no owner and takes no arguments; one per chain is enough. Returns its address. */
export async function deployBrokerRegistry(signer: Signer): Promise<string> {
  const contract = await new ContractFactory(artifact.abi as InterfaceAbi, artifact.bytecode, signer).deploy()
  await contract.waitForDeployment()
  return await contract.getAddress()
}
