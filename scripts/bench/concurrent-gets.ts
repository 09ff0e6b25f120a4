import type { ApiClient } from '@freehold/appliance/cli/client'
import { z } from 'zod'

const connections = 50
const requestsEach = 40

/**
 * 2,000 GETs over 50 connections at once, after as many that are not counted: the first ones of a process are compiled, on
 * both sides. Times in milliseconds as the caller sees them.
 */
export async function concurrentGets(client: ApiClient, path: string): Promise<{ median: number; p99: number }> {
  const anything = z.unknown()
  async function round(): Promise<number[]> {
    const times: number[] = []
    await Promise.all(
      Array.from({ length: connections }, async () => {
        for (let i = 0; i < requestsEach; i += 1) {
          const from = performance.now()
          await client.call(anything, 'GET', path)
          times.push(performance.now() - from)
        }
      }),
    )
    return times.toSorted((a, b) => a - b)
  }
  await round()
  const sorted = await round()
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN
  return { median: at(0.5), p99: at(0.99) }
}
