import { getBytes, isHexString, toUtf8Bytes, type JsonRpcProvider, type Wallet, type HDNodeWallet } from 'ethers'

/**
 * What a wallet with this key answers to a page (EIP-1193): it signs, sends, and asks its node for all else. Accounts, networks and a
 * person's refusals are the caller's. Throws what ethers and the node throw.
 */
export async function answerAsWallet(
  wallet: Wallet | HDNodeWallet,
  node: JsonRpcProvider,
  method: string,
  params: readonly unknown[],
): Promise<unknown> {
  const [first, second] = params
  switch (method) {
    case 'personal_sign':
      return await wallet.signMessage(isHexString(first) ? getBytes(first) : toUtf8Bytes(String(first)))
    case 'eth_signTypedData_v4': {
      const typed = JSON.parse(String(second)) as {
        domain: object
        types: Record<string, { name: string; type: string }[]>
        message: Record<string, unknown>
      }
      const { EIP712Domain: _, ...types } = typed.types
      return await wallet.signTypedData(typed.domain, types, typed.message)
    }
    case 'eth_sendTransaction': {
      const { to, data, value } = first as { to: string; data: string; value?: string }
      return (await wallet.sendTransaction({ to, data, ...(value !== undefined && { value }) })).hash
    }
    default:
      return await node.send(method, [...params])
  }
}
