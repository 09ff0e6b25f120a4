import { brokerRegistryInterface } from '@freehold/contracts/broker-registry'
import { getAddress } from 'ethers'
import { parseCidr } from 'wireguard-ts/address'
import type { KnownBroker } from './http-service.ts'

/** A broker of the registry, with what the way on chain needs. */
export interface RegisteredBroker extends KnownBroker {
  brokerId: bigint
  active: boolean
  region: string
  fee: bigint
  termSeconds: number
  termsVersion: number
  /** P-256 point that questions are sealed to. */
  messageKey: Uint8Array
}

const page = 50n
/** A registry with more brokers than this is somebody's joke; those that came first are seen. */
const most = 500n

/** The registry names no pool: any address of the Internet may be a broker's, what is nobody's is refused all the same. */
const anywhere = parseCidr('2000::/3')

/** All brokers of a registry. `call` is one JSON-RPC read; throws what it throws. */
export async function registeredBrokers(
  call: (method: string, params: readonly unknown[]) => Promise<unknown>,
  where: { chainId: number; registry: string },
): Promise<RegisteredBroker[]> {
  const read = async (name: string, args: readonly unknown[]): Promise<readonly unknown[]> => {
    const data = brokerRegistryInterface.encodeFunctionData(name, args)
    const answer = String(await call('eth_call', [{ to: where.registry, data }, 'latest']))
    return brokerRegistryInterface.decodeFunctionResult(name, answer).toArray()
  }
  const found: RegisteredBroker[] = []
  for (let from = 0n; from < most; from += page) {
    const [list] = await read('brokers', [from, page])
    const rows = list as Record<string, unknown>[]
    for (const row of rows) found.push(brokerOf(row, where))
    if (BigInt(rows.length) < page) break
  }
  return found
}

function brokerOf(row: Record<string, unknown>, { chainId, registry }: { chainId: number; registry: string }): RegisteredBroker {
  const profile = row['profile'] as Record<string, unknown>
  const [fee, termSeconds] = [BigInt(profile['fee'] as bigint), Number(profile['termSeconds'])]
  return {
    id: `${chainId}:${registry}:${row['brokerId'] as bigint}`,
    brokerId: BigInt(row['brokerId'] as bigint),
    pool: anywhere,
    url: String(profile['url']),
    agent: getAddress(String(profile['agent'])),
    active: row['active'] === true,
    capacity: Number(row['capacity']) as 0 | 1 | 2,
    region: String(profile['region']),
    fee,
    pricePerDay: (fee * 86_400n) / BigInt(termSeconds),
    termSeconds,
    termsVersion: Number(row['termsVersion']),
    messageKey: Buffer.from(String(profile['key']).slice(2), 'hex'),
  }
}
