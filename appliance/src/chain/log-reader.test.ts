import assert from 'node:assert/strict'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { reliability } from '../dev/reliability.ts'
import type { HistoryRepository, StoredChainEvent } from '../store/history.ts'
import { LogReader } from './log-reader.ts'
import type { RpcClient } from './rpc.ts'

const contract = `0x${'cc'.repeat(20)}` as const
const many = 20_000

reliability(
  'load-long-history',
  '20,000 logs in one answer: all are read, and others have their turn meanwhile',
  async (fault) => {
    const { topics, data } = subscriptionsInterface.encodeEventLog('Transfer', [contract, contract, 7n])
    const word = (n: number): string => `0x${n.toString(16)}`
    const logs = Array.from({ length: many }, (_, i) => ({
      ...{ blockNumber: '0x5', blockHash: `0x${'aa'.repeat(32)}`, logIndex: word(i), topics, data },
      transactionHash: `0x${'bb'.repeat(32)}`,
    }))
    let turns = 0
    let reading = true
    let asked = 0
    const others = (): void => {
      turns += 1
      if (reading) setImmediate(others)
    }
    const client = {
      call: () => {
        asked += 1
        setImmediate(others)
        return Promise.resolve(logs)
      },
    } as unknown as RpcClient
    let kept: readonly StoredChainEvent[] = []
    const history = {
      cursor: () => Promise.resolve(undefined),
      replaceRange: (_: string, _from: number, _to: number, events: readonly StoredChainEvent[]) => {
        reading = false
        kept = events
        return Promise.resolve()
      },
    } as unknown as HistoryRepository
    const reader = new LogReader({ contract, installation: 'aa'.repeat(6), abi: subscriptionsInterface, history, fromBlock: 0 })
    const block = { number: 10, hash: `0x${'dd'.repeat(32)}`, timestamp: 1 }
    assert.equal(await reader.catchUp(client, block as never, block as never), many)
    fault.struck(asked === 1 && kept.length === many)
    assert.ok(turns > 2, `${turns} turns while ${many} logs were read`)
  },
)
