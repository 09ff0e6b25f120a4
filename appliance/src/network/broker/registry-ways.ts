import { toQuantity } from 'ethers'
import { firstReachable } from '../../chain/any-client.ts'
import type { ChainReader } from '../../chain/port.ts'
import type { ProvisionerKey } from '../../chain/provisioner-key.ts'
import type { RpcClient } from '../../chain/rpc.ts'
import { sendOnce } from '../../chain/send-once.ts'
import type { Clock } from '../../clock/clock.ts'
import type { Config } from '../../config/schema.ts'
import { AppError } from '../../errors/app-error.ts'
import type { PublicIpv6Ports } from './public-ipv6.ts'

export interface RegistryWaysPorts {
  config: Pick<Config, 'chain'>
  clients: readonly RpcClient[]
  key: ProvisionerKey
  clock: Clock
  reader: Pick<ChainReader, 'heads'>
  transactions: { unfinished(account: string): Promise<readonly unknown[]> }
}

/** How this host reads the registry and asks in it: reads by any node, transactions by the first, depths as for all else. */
export function registryWays(ports: RegistryWaysPorts): Pick<PublicIpv6Ports, 'call' | 'send' | 'givingBlock'> {
  const { config, clients, key, clock } = ports
  const { chainId, maxFeePerTransactionWei } = config.chain
  const [client] = clients
  return {
    call: (method, params) => firstReachable(clients, (one) => one.call(method, params)),
    async send(transaction) {
      if (client === undefined) throw new AppError({ code: 'rpc-unreachable', detail: 'No network node is configured.' })
      const busy = async (): Promise<boolean> => (await ports.transactions.unfinished(`${chainId}:${key.address}`)).length > 0
      await sendOnce({ client, chainId, key, clock, maxFeeWei: BigInt(maxFeePerTransactionWei), busy }, transaction)
    },
    givingBlock: async () => toQuantity((await ports.reader.heads()).giving.number),
  }
}
