import { join } from 'node:path'
import { formatEther, JsonRpcProvider, Network } from 'ethers'
import { z } from 'zod'
import { loadOrCreateKey, type ProvisionerKey } from '../../chain/provisioner-key.ts'
import { AppError } from '../../errors/app-error.ts'
import type { Step, StepIo } from '../../steps/step.ts'
import type { SetupContext } from '../context.ts'
import { neededWei } from '../funds.ts'
import { KeySigner } from '../key-signer.ts'
import { sweep } from '../sweep.ts'
import { noteAsked, noteOf } from '../undo-notes.ts'

/** The provider of the first RPC; throws `rpc-unreachable` or `wrong-chain`. The caller destroys it. */
export async function openRpc({ answers }: SetupContext): Promise<JsonRpcProvider> {
  const url = answers.chain.rpcUrls[0] ?? ''
  const provider = new JsonRpcProvider(url, Network.from(answers.chain.chainId), {
    staticNetwork: true,
    polling: true,
    pollingInterval: 250,
    cacheTimeout: -1,
  })
  try {
    const response = await fetch(url.replace(/^ws/, 'http'), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] }),
      signal: AbortSignal.timeout(10_000),
    })
    const { result } = (await response.json()) as { result?: string }
    if (result === undefined) throw new Error('no chain id in the answer')
    if (Number(result) !== answers.chain.chainId) {
      throw new AppError({
        code: 'wrong-chain',
        detail: `${new URL(url).host} serves network ${Number(result)}, the answers say ${answers.chain.chainId}.`,
      })
    }
    return provider
  } catch (cause) {
    provider.destroy()
    if (cause instanceof AppError) throw cause
    throw new AppError({
      code: 'rpc-unreachable',
      detail: `Nothing that speaks JSON-RPC answers at ${new URL(url).host}.`,
      cause,
    })
  }
}

/** The keys of this host: the deployer without any role, and the provisioner. Made once, kept in the secrets folder. */
export async function hostKeys({
  secretsFolder,
}: SetupContext): Promise<{ deployer: ProvisionerKey; provisioner: ProvisionerKey }> {
  return {
    deployer: await loadOrCreateKey(join(secretsFolder, 'deployer.key')),
    provisioner: await loadOrCreateKey(join(secretsFolder, 'provisioner.key')),
  }
}

const madeEntry = z.object({ address: z.string() })

/** Paid once: after a power cut the contract may be there, and what was left of the money is gone from this key. */
async function isDeployed({ journal }: SetupContext, provider: JsonRpcProvider): Promise<boolean> {
  for (const key of ['contract', 'deployment']) {
    const address = madeEntry.safeParse(await journal.get(key)).data?.address
    if (address !== undefined && (await provider.getCode(address)) !== '0x') return true
  }
  return false
}

async function awaitFunds(context: SetupContext, provider: JsonRpcProvider, address: string, io: StepIo): Promise<void> {
  const needed = neededWei(context.answers)
  if ((await provider.getBalance(address)) >= needed || (await isDeployed(context, provider))) return
  await noteAsked(context.journal, address)
  await context.hooks.fund?.(address)
  for (;;) {
    const balance = await provider.getBalance(address)
    if (balance >= needed || (await isDeployed(context, provider))) return
    if (io.signal.aborted)
      throw new AppError({
        code: 'no-funds',
        detail: `${address} holds ${formatEther(balance)}, ${formatEther(needed)} are needed.`,
      })
    io.progress(`waiting for ${formatEther(needed)} at ${address}, ${formatEther(balance)} so far`)
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, 2000)
    io.signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
    await promise
  }
}

/** The chain answers and is the right one, keys exist, the deployer can pay. */
export const chain: Step<SetupContext> = {
  name: 'chain',
  estimateSeconds: 3,
  check: async () => false,
  async run(context, io) {
    const provider = await openRpc(context)
    try {
      const { deployer, provisioner } = await hostKeys(context)
      io.log(`network ${context.answers.chain.chainId} answers; provisioner ${provisioner.address}`)
      const payer = context.answers.deployment === 'key' ? deployer : provisioner
      if (context.answers.contracts.length === 0) await awaitFunds(context, provider, payer.address, io)
    } finally {
      provider.destroy()
    }
  },
  /** What was sent to keys of this host goes to the treasury; the keys stay. A host that served before keeps its provisioner's. */
  async undo(context, io) {
    const { journal, answers } = context
    if ((await noteOf(journal, 'funds')) === undefined) return
    const provider = await openRpc(context)
    try {
      const { deployer, provisioner } = await hostKeys(context)
      const served = typeof (await noteOf(journal, 'config')) === 'string' || (await context.readConfig()) !== undefined
      for (const key of served ? [deployer] : [deployer, provisioner]) {
        await sweep(provider, new KeySigner(key, provider), answers.roles.treasury, io, `of ${key.address} went to the treasury`)
      }
    } finally {
      provider.destroy()
    }
  },
}
