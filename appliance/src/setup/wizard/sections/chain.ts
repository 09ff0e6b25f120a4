import { z } from 'zod'
import { configSchema } from '../../../config/schema.ts'
import { AppError } from '../../../errors/app-error.ts'
import { defineSection, type CheckPorts } from '../section.ts'

const { chain: chainAnswer, publicChain } = configSchema.shape
const hexNumber = z
  .string()
  .regex(/^0x[0-9a-f]{1,16}$/i)
  .transform(Number)
const block = z.object({ number: hexNumber, timestamp: hexNumber, hash: z.string() })

async function chainIdOf(url: string, ports: CheckPorts): Promise<number> {
  const read = hexNumber.safeParse(await ports.rpc(url, 'eth_chainId', []))
  if (read.success) return read.data
  throw new AppError({ code: 'rpc-unreachable', detail: `What answers at ${new URL(url).host} tells no chain id.` })
}

async function blockOf(url: string, tag: string, ports: CheckPorts): Promise<z.output<typeof block> | undefined> {
  return block.safeParse(await ports.rpc(url, 'eth_getBlockByNumber', [tag, false])).data
}

/** Which network, and whom to ask about it. */
export const chain = defineSection({
  name: 'chain',
  schema: z.strictObject({ chain: chainAnswer, publicChain }),
  fields: ['chain', 'publicChain'],
  follows: [],
  checks: [
    {
      name: 'rpc-answers',
      pointer: '/chain/rpcUrls',
      async run({ chain: { rpcUrls, chainId } }, ports) {
        // all of them: the second is what the first is checked against
        for (const url of rpcUrls) {
          const found = await chainIdOf(url, ports)
          if (found !== chainId) {
            throw new AppError({
              code: 'wrong-chain',
              detail: `${new URL(url).host} serves network ${found}, the answers say ${chainId}.`,
            })
          }
        }
        return { values: { count: rpcUrls.length } }
      },
    },
    {
      name: 'rpc-finalized',
      pointer: '/chain/rpcUrls',
      async run({ chain: { rpcUrls } }, ports) {
        for (const url of rpcUrls) {
          const final = await blockOf(url, 'finalized', ports).catch(() => undefined)
          if (final === undefined) {
            throw new AppError({
              code: 'rpc-unreachable',
              detail: `${new URL(url).host} tells no finalized block; nothing could ever be taken by its word.`,
              hint: 'Use a node of a network that finalizes, with the tag "finalized" served.',
            })
          }
        }
        return {}
      },
    },
    {
      name: 'rpc-fresh',
      pointer: '/chain/rpcUrls',
      async run({ chain: { rpcUrls } }, ports) {
        const heads = await Promise.all(rpcUrls.map((url) => blockOf(url, 'latest', ports)))
        const age = Math.max(...heads.map((head) => Math.floor(Date.now() / 1000) - (head?.timestamp ?? 0)))
        if (age > 600) return { warning: `The newest block is ${age} s old. Is the node in step with its network?` }
        return { values: { age: Math.max(0, age) } }
      },
    },
    {
      name: 'rpc-agree',
      pointer: '/chain/rpcUrls/1',
      applies: ({ chain: { rpcUrls } }) => rpcUrls.length > 1,
      async run({ chain: { rpcUrls } }, ports) {
        const finals = await Promise.all(rpcUrls.map((url) => blockOf(url, 'finalized', ports)))
        const lowest = Math.min(...finals.map((final) => final?.number ?? 0))
        const hashes = await Promise.all(
          rpcUrls.map(async (url) => (await blockOf(url, `0x${lowest.toString(16)}`, ports))?.hash),
        )
        const odd = hashes.findIndex((hash) => hash === undefined || hash !== hashes[0])
        if (odd < 0) return { values: { block: lowest } }
        throw new AppError({
          code: 'rpc-unreachable',
          detail: `${new URL(rpcUrls[odd] ?? '').host} has another block ${lowest} than ${new URL(rpcUrls[0] ?? '').host}.`,
          hint: 'One of the two serves another history. Use another node.',
        })
      },
    },
  ],
})
