import {
  concat,
  ContractFactory,
  getCreate2Address,
  Interface,
  keccak256,
  ZeroHash,
  type InterfaceAbi,
  type Signer,
} from 'ethers'
import artifact from './broker-registry-artifact.json' with { type: 'json' }
import { deterministicDeployer } from './deploy.ts'

/** The ABI of `BrokerRegistry`, as built. */
export const brokerRegistryInterface = new Interface(artifact.abi as InterfaceAbi)

/** Where the registry is on every chain that has the usual deterministic deployer: it takes no arguments and has no owner. */
export const brokerRegistryAddress = getCreate2Address(deterministicDeployer, ZeroHash, keccak256(artifact.bytecode))

/** Deploys the registry, or finds it: anybody may, once per chain, and repeating it is safe. Returns its address. */
export async function deployBrokerRegistry(signer: Signer): Promise<string> {
  const { provider } = signer
  if (provider === null) throw new TypeError('the signer needs a provider')
  if ((await provider.getCode(deterministicDeployer)) === '0x') {
    const contract = await new ContractFactory(artifact.abi as InterfaceAbi, artifact.bytecode, signer).deploy()
    await contract.waitForDeployment()
    return await contract.getAddress()
  }
  if ((await provider.getCode(brokerRegistryAddress)) === '0x') {
    const sent = await signer.sendTransaction({ to: deterministicDeployer, data: concat([ZeroHash, artifact.bytecode]) })
    await sent.wait()
  }
  return brokerRegistryAddress
}
