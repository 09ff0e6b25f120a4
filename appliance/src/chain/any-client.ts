import { AppError, findAppError } from '../errors/app-error.ts'
import { RpcClient } from './rpc.ts'

/** The nodes of a configuration as clients, in its order. */
export function createClients(rpcUrls: readonly string[]): RpcClient[] {
  return rpcUrls.map((url) => new RpcClient({ url }))
}

/** Asks the clients in order, those in doubt last, until one can be reached; what a node refuses is an answer and ends it. */
export async function firstReachable<T>(clients: readonly RpcClient[], ask: (client: RpcClient) => Promise<T>): Promise<T> {
  let failure: unknown
  for (const client of clients.toSorted((a, b) => Number(a.doubtful) - Number(b.doubtful))) {
    try {
      return await ask(client)
    } catch (error) {
      if (findAppError(error, 'rpc-unreachable') === undefined) throw error
      failure ??= error
    }
  }
  throw failure ?? new AppError({ code: 'rpc-unreachable', detail: 'No network node is configured.' })
}
