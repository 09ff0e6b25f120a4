import { join } from 'node:path'
import type { ProcessSpec } from './supervisor.ts'

/** The chain id of the local development chain; nothing of dev/ works on another. */
export const localChainId = 31337

/** Calls one JSON-RPC method of the local chain. Throws Error with the node's words. */
export async function localRpc(url: string, method: string, params: readonly unknown[] = []): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal: AbortSignal.timeout(20_000),
  })
  const answer = (await response.json()) as { result?: unknown; error?: { message: string } }
  if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`)
  return answer.result
}

/** anvil as the local chain of embedded mode (design §4): its state survives restarts, `finalized` is two blocks behind. */
export function localChainProcess(options: { anvil: string; port: number; folder: string }): ProcessSpec {
  const url = `http://127.0.0.1:${options.port}`
  return {
    name: 'anvil',
    command: options.anvil,
    args: [
      '--host',
      '127.0.0.1',
      '--port',
      String(options.port),
      '--chain-id',
      String(localChainId),
      '--mixed-mining',
      '--block-time',
      '15',
      '--slots-in-an-epoch',
      '1',
      '--silent',
      // states of old blocks, which nobody reads, would fill the home folder and stay there when the node ends
      '--max-persisted-states',
      '0',
      // the state is written every few seconds too: a power cut costs seconds, not the chain
      '--state',
      join(options.folder, 'chain.json'),
      '--state-interval',
      '5',
    ],
    ready: async () => (await localRpc(url, 'eth_chainId')) === `0x${localChainId.toString(16)}`,
    readyWithinSeconds: 30,
  }
}

/** The timestamp of the newest block. */
export async function chainTime(url: string): Promise<number> {
  const block = (await localRpc(url, 'eth_getBlockByNumber', ['latest', false])) as { timestamp: string }
  return Number(block.timestamp)
}

/**
 * Sets the time of the local chain to at least `target` (never back) and mines until a block of that time is finalized.
 * anvil forgets a moved clock at restart; calling this again with the daemon's clock mends it.
 */
export async function moveChainTo(url: string, target: number): Promise<void> {
  const next = Math.max(target, (await chainTime(url)) + 1)
  await localRpc(url, 'evm_setNextBlockTimestamp', [next])
  await localRpc(url, 'evm_mine')
  await localRpc(url, 'evm_mine')
  await localRpc(url, 'evm_mine')
}
