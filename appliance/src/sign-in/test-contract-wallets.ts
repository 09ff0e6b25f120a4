import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import {
  AbiCoder,
  concat,
  Contract,
  ContractFactory,
  hashMessage,
  type InterfaceAbi,
  type JsonRpcSigner,
  type Wallet,
} from 'ethers'

interface Artifact {
  abi: InterfaceAbi
  bytecode: string
}
const contracts = resolve(import.meta.dirname, '../../../contracts/deploy')
// LGPL-3.0 artifacts of a published package: tests deploy them as they are, nothing links them
const safe = join(
  createRequire(import.meta.url).resolve('@safe-global/safe-smart-account/package.json'),
  '../build/artifacts/contracts',
)

const read = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Artifact
const own = (name: string) => read(join(contracts, `${name}-artifact.json`))

async function deployed({ abi, bytecode }: Artifact, signer: JsonRpcSigner, ...args: unknown[]): Promise<Contract> {
  const made = await new ContractFactory(abi, bytecode, signer).deploy(...args)
  await made.waitForDeployment()
  return new Contract(await made.getAddress(), abi, signer)
}

/** A contract wallet of one key. */
export async function deployKeyWallet(signer: JsonRpcSigner, key: string): Promise<string> {
  return await (await deployed(own('key-wallet'), signer, key)).getAddress()
}

/** The wallet that a factory would make for this key, and signatures that name the factory. Source: ERC-6492. */
export async function undeployedKeyWallet(signer: JsonRpcSigner, key: Wallet) {
  const factory = await deployed(own('key-wallet-factory'), signer)
  const address = (await factory.getFunction('addressOf').staticCall(key.address)) as string
  const make = factory.interface.encodeFunctionData('make', [key.address])
  return {
    address,
    deploy: async () => void (await (await factory.getFunction('make').send(key.address)).wait()),
    sign: async (text: string, by = key) => wrapped(await factory.getAddress(), make, await by.signMessage(text)),
  }
}

/** A signature in the wrapper of ERC-6492. */
export function wrapped(factory: string, data: string, signature: string): string {
  return concat([
    AbiCoder.defaultAbiCoder().encode(['address', 'bytes', 'bytes'], [factory, data, signature]),
    `0x${'6492'.repeat(16)}`,
  ])
}

/** A wallet that answers as the test says; the numbers are those of `Way` in ContractWallets.sol. */
export const ways = {
  yes: 0,
  'a revert': 1,
  'a revert with the magic value': 2,
  'burnt gas': 3,
  nothing: 4,
  'four bytes of magic': 5,
  'magic with a dirty end': 6,
  'yes and a megabyte': 7,
  'a revert of a megabyte': 8,
  'the boolean true': 9,
  'yes in even blocks only': 10,
  'yes after a write': 11,
} as const

export async function deployMaliciousWallet(signer: JsonRpcSigner) {
  const wallet = await deployed(own('malicious-wallet'), signer)
  return {
    address: await wallet.getAddress(),
    become: async (way: keyof typeof ways) => void (await (await wallet.getFunction('become').send(ways[way])).wait()),
  }
}

/** A multisignature wallet as Safe publishes it: singleton, factory, fallback handler, proxy; two of the owners sign. */
export async function deploySafe(signer: JsonRpcSigner, owners: readonly Wallet[]) {
  const of = (path: string) => read(join(safe, path))
  const singleton = await deployed(of('Safe.sol/Safe.json'), signer)
  const factory = await deployed(of('proxies/SafeProxyFactory.sol/SafeProxyFactory.json'), signer)
  const handler = await deployed(of('handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler.json'), signer)
  const none = `0x${'0'.repeat(40)}`
  const setup = singleton.interface.encodeFunctionData('setup', [
    ...[owners.map((o) => o.address), 2, none, '0x', await handler.getAddress(), none, 0, none],
  ])
  const make = factory.getFunction('createProxyWithNonce')
  const args = [await singleton.getAddress(), setup, 1]
  const address = (await make.staticCall(...args)) as string
  await (await make.send(...args)).wait()
  return {
    address,
    async sign(text: string, by: readonly Wallet[]): Promise<string> {
      const domain = { chainId: 31337, verifyingContract: address }
      const types = { SafeMessage: [{ name: 'message', type: 'bytes' }] }
      const sorted = by.toSorted((a, b) => (BigInt(a.address) < BigInt(b.address) ? -1 : 1))
      return concat(await Promise.all(sorted.map((o) => o.signTypedData(domain, types, { message: hashMessage(text) }))))
    },
  }
}
