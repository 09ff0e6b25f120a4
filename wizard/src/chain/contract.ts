import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { Interface } from 'ethers'
import { rpcHex } from './rpc.ts'

/** The native coin's place in token fields. */
export const nativeToken = '0x0000000000000000000000000000000000000000'

/** What every token is asked, from EIP-20 and EIP-2612. */
export const tokenInterface = new Interface([
  'function balanceOf(address) view returns (uint256)',
  'function allowance(address owner, address spender) view returns (uint256)',
  'function approve(address spender, uint256 amount) returns (bool)',
  'function name() view returns (string)',
  'function nonces(address owner) view returns (uint256)',
  'function eip712Domain() view returns (bytes1, string name, string version, uint256, address, bytes32, uint256[])',
])

async function read(contract: Interface, to: string, name: string, args: readonly unknown[]): Promise<unknown> {
  const data = await rpcHex('eth_call', [{ to, data: contract.encodeFunctionData(name, args) }, 'latest'])
  return contract.decodeFunctionResult(name, data)[0]
}

/** What an address holds of a token (or of the native coin), in its smallest unit. */
export async function balanceOf(token: string, address: string): Promise<bigint> {
  if (token === nativeToken) return BigInt(await rpcHex('eth_getBalance', [address, 'latest']))
  return BigInt(String(await read(tokenInterface, token, 'balanceOf', [address])))
}

/** How much the contract may take of an owner's token now. */
export async function allowanceOf(token: string, owner: string, spender: string): Promise<bigint> {
  return BigInt(String(await read(tokenInterface, token, 'allowance', [owner, spender])))
}

/** Nonce and EIP-712 domain for a permit (EIP-2612, EIP-5267); version 1 where the token does not tell its own. */
export async function permitFacts(token: string, owner: string): Promise<{ nonce: bigint; name: string; version: string }> {
  const nonce = BigInt(String(await read(tokenInterface, token, 'nonces', [owner])))
  try {
    const data = await rpcHex('eth_call', [{ to: token, data: tokenInterface.encodeFunctionData('eip712Domain') }, 'latest'])
    const domain = tokenInterface.decodeFunctionResult('eip712Domain', data)
    return { nonce, name: String(domain['name']), version: String(domain['version']) }
  } catch {
    return { nonce, name: String(await read(tokenInterface, token, 'name', [])), version: '1' }
  }
}

/** Who holds a pass now; undefined once it is burned or was never sold. */
export async function holderOf(contract: string, tokenId: string): Promise<string | undefined> {
  try {
    return String(await read(subscriptionsInterface, contract, 'ownerOf', [tokenId]))
  } catch (error) {
    if (error instanceof Error && error.name === 'RpcRefusal') return undefined
    throw error
  }
}

/** What the contract keeps for an address: refunds that were not withdrawn. */
export async function creditedTo(contract: string, token: string, who: string): Promise<bigint> {
  return BigInt(String(await read(subscriptionsInterface, contract, 'credited', [token, who])))
}

/** Name of the contract's own error in revert data, such as `OverCapacity`. */
export function revertName(data: string | undefined): string | undefined {
  return data === undefined ? undefined : subscriptionsInterface.parseError(data)?.name
}

/** Calldata of what pages send. Amounts in the smallest unit, lengths in seconds. */
export const calldata = {
  buy: (planId: number, token: string, seconds: number, maxPayment: bigint, recipient: string) =>
    subscriptionsInterface.encodeFunctionData('buy', [planId, token, seconds, maxPayment, recipient]),
  buyWithPermit: (planId: number, token: string, seconds: number, maxPayment: bigint, recipient: string, permit: Permit) =>
    subscriptionsInterface.encodeFunctionData('buyWithPermit', [
      planId,
      token,
      seconds,
      maxPayment,
      recipient,
      permit.deadline,
      permit.v,
      permit.r,
      permit.s,
    ]),
  extend: (tokenId: string, seconds: number, maxPayment: bigint) =>
    subscriptionsInterface.encodeFunctionData('extend', [tokenId, seconds, maxPayment]),
  cancel: (tokenId: string) => subscriptionsInterface.encodeFunctionData('cancel', [tokenId]),
  refund: (tokenId: string) => subscriptionsInterface.encodeFunctionData('refund', [tokenId]),
  transfer: (from: string, to: string, tokenId: string) =>
    subscriptionsInterface.encodeFunctionData('safeTransferFrom(address,address,uint256)', [from, to, tokenId]),
  withdraw: (token: string, to: string) => subscriptionsInterface.encodeFunctionData('withdraw', [token, to]),
  approve: (spender: string, amount: bigint) => tokenInterface.encodeFunctionData('approve', [spender, amount]),
}

/** A signed permit, as `buyWithPermit` takes it. `deadline` in unix seconds. */
export interface Permit {
  deadline: number
  v: number
  r: string
  s: string
}
