import getPort from 'get-port'
import { spawnAnvil } from '@freehold/contracts/anvil'
import { deploySubscriptions, type NewPlan } from '@freehold/contracts/deploy'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { Contract, JsonRpcProvider, type ContractTransactionResponse, type JsonRpcSigner } from 'ethers'
import { systemClock } from '../clock/clock.ts'
import { zeroAddress } from './subscription.ts'

/** A real node for tests of this folder, with the contract on it. */
export interface TestChain {
  url: string
  provider: JsonRpcProvider
  contract: string
  /** Owner, treasury and holder of pass 0. */
  owner: JsonRpcSigner
  alice: JsonRpcSigner
  bob: JsonRpcSigner
  rpc(method: string, ...params: unknown[]): Promise<unknown>
  /** Sends a transaction to the contract and waits for it. Rejects if it reverts. */
  send(from: JsonRpcSigner, method: string, args: readonly unknown[], value?: bigint): Promise<number>
  /** Buys a day of plan 0; returns the token id. */
  buy(buyer: JsonRpcSigner, seconds?: number): Promise<bigint>
  mine(blocks: number): Promise<void>
  /** Moves the chain's time and mines a block. */
  advance(seconds: number): Promise<void>
  close(): Promise<void>
}

export const day = 86_400
const perDay = 10n ** 15n
const plan: NewPlan = {
  plan: {
    name: 'small',
    kind: 0,
    vcpus: 1,
    memoryMiB: 512,
    diskGiB: 4,
    gasPerDay: 0n,
    graceSeconds: day,
    activationDeadlineSeconds: 3600,
    minSeconds: 3600,
    maxSeconds: 90 * day,
    capacity: 1_000_000,
    open: true,
  },
  prices: [{ token: zeroAddress, perDay }],
}

/** Starts anvil on a free port, finalized two blocks behind the newest, and deploys the contract with one plan. */
export async function startTestChain(provisioner: string, extraArguments: readonly string[] = []): Promise<TestChain> {
  const port = await getPort({ host: '127.0.0.1' })
  const child = spawnAnvil([
    '--host',
    '127.0.0.1',
    '--port',
    String(port),
    '--slots-in-an-epoch',
    '1',
    '--silent',
    '--disable-block-gas-limit',
    // states of old blocks would be written below the home folder, and stay there when the node ends
    '--max-persisted-states',
    '0',
    ...extraArguments,
  ])
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const url = `http://127.0.0.1:${port}`
  const provider = new JsonRpcProvider(url, 31337, { staticNetwork: true, cacheTimeout: -1, pollingInterval: 50 })
  const deadline = performance.now() + 120_000
  while (
    !(await provider.send('eth_chainId', []).then(
      () => true,
      () => false,
    ))
  ) {
    if (performance.now() > deadline || child.exitCode !== null) throw new Error('anvil does not answer')
    await systemClock.wait(50)
  }
  const [owner, alice, bob] = await Promise.all([provider.getSigner(0), provider.getSigner(1), provider.getSigner(2)])
  await provider.send('anvil_setBalance', [provisioner, `0x${(10n ** 18n).toString(16)}`])
  const deployed = await deploySubscriptions({
    provider,
    signer: owner,
    salt: `0x${'11'.repeat(32)}`,
    args: { owner: owner.address, treasury: owner.address, provisioner, plans: [plan] },
    journal: { get: () => Promise.resolve(undefined), put: () => Promise.resolve() },
  })

  async function send(from: JsonRpcSigner, method: string, args: readonly unknown[], value = 0n): Promise<number> {
    const call = new Contract(deployed.address, subscriptionsInterface, from).getFunction(method)
    // an estimate of this second may be too low for the next one, in which something has been earned that must be booked
    const sent: ContractTransactionResponse = await call(...args, { value, gasLimit: 500_000n })
    const receipt = await sent.wait()
    return receipt?.blockNumber ?? 0
  }
  return {
    url,
    provider,
    contract: deployed.address,
    owner,
    alice,
    bob,
    rpc: (method, ...params) => provider.send(method, params),
    send,
    async buy(buyer, seconds = day) {
      const price = (perDay * BigInt(seconds) + BigInt(day) - 1n) / BigInt(day)
      const block = await send(buyer, 'buy', [0, zeroAddress, seconds, price, buyer.address], price)
      const view = new Contract(deployed.address, subscriptionsInterface, provider).getFunction('nextTokenId')
      return BigInt(await view({ blockTag: block })) - 1n
    },
    async mine(blocks) {
      // in parts: on a busy machine thousands take the node longer than a call waits
      for (let left = blocks; left > 0; left -= 250) {
        await provider.send('anvil_mine', [`0x${Math.min(left, 250).toString(16)}`])
      }
    },
    async advance(seconds) {
      await provider.send('evm_increaseTime', [seconds])
      await provider.send('evm_mine', [])
    },
    async close() {
      provider.destroy()
      child.kill('SIGTERM')
      await exited
    },
  }
}
