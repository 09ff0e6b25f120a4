import { AbiCoder, keccak256 } from 'ethers'

/** `<installation>-<tokenId>`: what people and URLs call a VM. */
export type VmId = `${string}-${string}`

/** Which VM, of which contract, in which generation. */
export interface VmKey {
  /** 12 lower-case hex digits. */
  installation: string
  tokenId: bigint
  generation: number
}

/** First 12 hex digits of keccak256(abi.encode(uint256 chainId, address contract)). Source: design.md §5. */
export function installationId(chainId: number | bigint, contract: string): string {
  return keccak256(AbiCoder.defaultAbiCoder().encode(['uint256', 'address'], [chainId, contract])).slice(2, 14)
}

/** `freehold:<installation>/<tokenId>/<generation>`: what makes a VM ours. */
export function markOf(key: VmKey): string {
  return `freehold:${key.installation}/${key.tokenId}/${key.generation}`
}

/** The key in a mark, or undefined if the text is not exactly a mark. */
export function parseMark(mark: string): VmKey | undefined {
  const match = /^freehold:([0-9a-f]{12})\/(0|[1-9][0-9]{0,77})\/([1-9][0-9]{0,8})$/.exec(mark)
  if (match === null) return undefined
  const [, installation = '', tokenId = '', generation = ''] = match
  return { installation, tokenId: BigInt(tokenId), generation: Number(generation) }
}

export function vmIdOf(key: Pick<VmKey, 'installation' | 'tokenId'>): VmId {
  return `${key.installation}-${key.tokenId}`
}

/** The parts of a VM id, or undefined if it is none. */
export function parseVmId(vmId: string): Pick<VmKey, 'installation' | 'tokenId'> | undefined {
  const match = /^([0-9a-f]{12})-(0|[1-9][0-9]{0,77})$/.exec(vmId)
  if (match === null) return undefined
  const [, installation = '', tokenId = ''] = match
  return { installation, tokenId: BigInt(tokenId) }
}
