import { AbiCoder, id, Interface } from 'ethers'
import { AppError } from '../errors/app-error.ts'
import { firstReachable } from './any-client.ts'
import { type RpcClient, refusalOf } from './rpc.ts'
import { zeroAddress, type Address } from './subscription.ts'

/** What pages need to show and pay with a token. */
export interface TokenFacts {
  token: Address
  symbol: string
  decimals: number
  /** Takes EIP-2612 permits, judged by `nonces` and `DOMAIN_SEPARATOR` answering. */
  permit: boolean
}

const abi = new Interface([
  'function symbol() view returns (string)',
  'function decimals() view returns (uint8)',
  'function nonces(address) view returns (uint256)',
  'function DOMAIN_SEPARATOR() view returns (bytes32)',
])

/** Reads tokens once each; what they say of themselves does not change. */
export interface TokenReader {
  /** Throws AppError `contract-missing` if there is no such token, `rpc-unreachable`. */
  facts(token: Address): Promise<TokenFacts>
  /** The same for a token that is listed already: one that does not say its decimals is `unreadToken`. Throws `rpc-unreachable`. */
  shown(token: Address): Promise<TokenFacts>
  /** Balance of `holder` in the token's smallest unit; native for the zero address. */
  balance(token: Address, holder: Address): Promise<bigint>
}

/** `native`: how the chain's own coin is shown. Default ETH, 18 decimals. */
export function createTokenReader(clients: readonly RpcClient[], native = { symbol: 'ETH', decimals: 18 }): TokenReader {
  const known = new Map<Address, TokenFacts>()

  async function view(token: Address, data: string): Promise<string | undefined> {
    return firstReachable(clients, async (client) => {
      try {
        return String(await client.call('eth_call', [{ to: token, data }, 'latest']))
      } catch (error) {
        if (refusalOf(error) === undefined) throw error
        return undefined
      }
    })
  }

  const reader: TokenReader = {
    async shown(token) {
      try {
        return await reader.facts(token)
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'contract-missing') throw error
        return unreadToken(token)
      }
    },
    async facts(token) {
      if (token === zeroAddress) return { token, ...native, permit: false }
      const cached = known.get(token)
      if (cached !== undefined) return cached
      const [symbol, decimals, nonces, domain] = await Promise.all([
        view(token, abi.encodeFunctionData('symbol')),
        view(token, abi.encodeFunctionData('decimals')),
        view(token, abi.encodeFunctionData('nonces', [zeroAddress])),
        view(token, abi.encodeFunctionData('DOMAIN_SEPARATOR')),
      ])
      const facts: TokenFacts = {
        token,
        symbol: symbolOf(symbol) ?? shortToken(token),
        decimals: decimalsOf(token, decimals),
        permit: nonces?.length === 66 && domain?.length === 66,
      }
      known.set(token, facts)
      return facts
    },
    async balance(token, holder) {
      if (token === zeroAddress) {
        return BigInt(String(await firstReachable(clients, (client) => client.call('eth_getBalance', [holder, 'latest']))))
      }
      const data = `${id('balanceOf(address)').slice(0, 10)}${AbiCoder.defaultAbiCoder().encode(['address'], [holder]).slice(2)}`
      const answer = await view(token, data)
      if (answer?.length !== 66) throw noToken(token)
      return BigInt(answer)
    },
  }
  return reader
}

/** How a token is shown that does not say its decimals: in its smallest units, which are exact, under its address. */
export function unreadToken(token: Address): TokenFacts {
  return { token, symbol: `units of ${shortToken(token)}`, decimals: 0, permit: false }
}

const shortToken = (token: Address) => `${token.slice(0, 6)}…${token.slice(-4)}`

function noToken(token: Address): AppError {
  return new AppError({ code: 'contract-missing', detail: `${token} is no ERC-20 token.` })
}

function decimalsOf(token: Address, answer: string | undefined): number {
  if (answer?.length !== 66 || BigInt(answer) > 77n) throw noToken(token)
  return Number(BigInt(answer))
}

/** At most 12 plain characters: a token's own words stand on our pages. Some old tokens answer bytes32. */
function symbolOf(answer: string | undefined): string | undefined {
  if (answer === undefined || answer.length < 66) return undefined
  let text: string
  try {
    text =
      answer.length === 66
        ? Buffer.from(answer.slice(2), 'hex').toString('utf8')
        : String(abi.decodeFunctionResult('symbol', answer)[0])
  } catch {
    return undefined
  }
  const plain = text.replaceAll('\0', '')
  return /^[A-Za-z0-9.$_+-]{1,12}$/.test(plain) ? plain : undefined
}
