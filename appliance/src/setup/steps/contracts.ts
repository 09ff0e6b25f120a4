import { randomBytes } from 'node:crypto'
import { deploySubscriptions, saltOf, type NewPlan } from '@freehold/contracts/deploy'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { formatEther, type JsonRpcProvider, type Signer } from 'ethers'
import { z } from 'zod'
import { zeroAddress } from '../../chain/subscription.ts'
import type { Config, PlanAnswer } from '../../config/schema.ts'
import { AppError } from '../../errors/app-error.ts'
import type { Step, StepIo } from '../../steps/step.ts'
import type { SetupContext } from '../context.ts'
import { KeySigner } from '../key-signer.ts'
import { hostKeys, openRpc } from './chain.ts'

const addressEntry = z.object({ address: z.string() })
const deployEntry = z.union([z.object({ address: z.string(), fromBlock: z.number() }), addressEntry])
const contractEntry = z.object({ address: z.string(), fromBlock: z.number() })

/** A plan of the answers as the contract takes it. `tokenOf` turns `native` and `dev-token` into addresses. Pure. */
export function newPlanOf(answer: PlanAnswer, tokenOf: (name: string) => string): NewPlan {
  return {
    plan: {
      name: answer.name,
      kind: answer.kind === 'vm' ? 0 : 1,
      vcpus: answer.vcpus,
      memoryMiB: answer.memoryMiB,
      diskGiB: answer.diskGiB,
      gasPerDay: 0n,
      graceSeconds: Math.round(answer.graceDays * 86_400),
      activationDeadlineSeconds: answer.activationDeadlineSeconds,
      minSeconds: answer.minSeconds,
      maxSeconds: answer.maxSeconds,
      capacity: answer.capacity,
      open: true,
    },
    prices: Object.entries(answer.prices).map(([token, perDay]) => ({ token: tokenOf(token), perDay: BigInt(perDay) })),
  }
}

async function tokenAddresses(context: SetupContext, deployer: Signer): Promise<(name: string) => string> {
  const wantsDevToken = context.answers.plans.some((plan) => 'dev-token' in plan.prices)
  let devToken = addressEntry.safeParse(await context.journal.get('dev-token')).data?.address
  if (wantsDevToken && devToken === undefined) {
    if (context.hooks.devToken === undefined) {
      throw new AppError({
        code: 'config-invalid',
        detail: 'dev-token exists on the local development chain only.',
        hint: 'Name the address of a token in the prices of the plans.',
      })
    }
    devToken = await context.hooks.devToken(deployer)
    await context.journal.put('dev-token', { address: devToken })
  }
  return (name) => (name === 'native' ? zeroAddress : name === 'dev-token' ? (devToken ?? zeroAddress) : name)
}

/** What is left at the deployer goes to the provisioner: the deployer never had a role and needs nothing any more. */
async function sweep(provider: JsonRpcProvider, deployer: Signer, to: string, io: StepIo): Promise<void> {
  const [balance, fees] = await Promise.all([provider.getBalance(await deployer.getAddress()), provider.getFeeData()])
  const fee = 21_000n * (fees.maxFeePerGas ?? 20_000_000_000n)
  if (balance <= fee * 4n) return
  const sent = await deployer.sendTransaction({
    to,
    value: balance - fee,
    gasLimit: 21_000n,
    maxFeePerGas: fees.maxFeePerGas ?? 20_000_000_000n,
  })
  await sent.wait()
  io.log(`${formatEther(balance - fee)} left at the deployer went to the provisioner`)
}

/** The contract is deployed, or the one of the answers is taken. Killed and repeated it deploys once (M10). */
export const contracts: Step<SetupContext> = {
  name: 'contracts',
  estimateSeconds: 20,
  check: async () => false,
  async run(context, io) {
    const { answers, journal } = context
    const named = answers.contracts[0]
    if (named !== undefined) {
      await journal.put('contract', { address: named.address, fromBlock: named.fromBlock })
      return
    }
    const provider = await openRpc(context)
    try {
      const keys = await hostKeys(context)
      const deployer = new KeySigner(keys.deployer, provider)
      const salt = (await journal.get('salt')) ?? saltOf(randomBytes(32))
      await journal.put('salt', salt)
      const tokenOf = await tokenAddresses(context, deployer)
      io.progress('deploying')
      const result = await deploySubscriptions({
        provider,
        signer: deployer,
        salt: z.string().parse(salt),
        args: {
          owner: answers.roles.owner,
          treasury: answers.roles.treasury,
          provisioner: keys.provisioner.address,
          plans: answers.plans.map((plan) => newPlanOf(plan, tokenOf)),
        },
        journal: {
          get: async () => deployEntry.safeParse(await journal.get('deployment')).data,
          put: (entry) => journal.put('deployment', entry),
        },
      })
      const fromBlock = contractEntry.safeParse(await journal.get('contract')).data?.fromBlock ?? result.blockNumber
      await journal.put('contract', { address: result.address, fromBlock })
      io.log(result.transactionHash === null ? `contract ${result.address} is there already` : `contract ${result.address}`)
      await sweep(provider, deployer, keys.provisioner.address, io)
    } finally {
      provider.destroy()
    }
  },
}

/** Reads back what was deployed: roles and plans are those of the answers. Only then the configuration is written. */
export const storefrontCheck: Step<SetupContext> = {
  name: 'storefront-check',
  estimateSeconds: 2,
  check: async () => false,
  async run(context, io) {
    const { answers, journal } = context
    const contract = contractEntry.parse(await journal.get('contract'))
    const provider = await openRpc(context)
    try {
      const read = async (name: string): Promise<unknown> => {
        const data = await provider.call({ to: contract.address, data: subscriptionsInterface.encodeFunctionData(name) })
        if (data === '0x')
          throw new AppError({ code: 'contract-missing', detail: `There is no such contract at ${contract.address}.` })
        return subscriptionsInterface.decodeFunctionResult(name, data)[0] as unknown
      }
      const { provisioner } = await hostKeys(context)
      const expected: Record<string, string> = {
        owner: answers.roles.owner,
        treasury: answers.roles.treasury,
        provisioner: provisioner.address,
      }
      for (const [role, address] of Object.entries(expected)) {
        const found = String(await read(role))
        if (found.toLowerCase() !== address.toLowerCase()) {
          throw new AppError({
            code: 'contract-missing',
            detail: `The contract ${contract.address} has ${role} ${found}, the answers say ${address}.`,
            hint: role === 'provisioner' ? 'The owner sets it with setProvisioner.' : 'Check the addresses of the answers.',
          })
        }
      }
      const count = Number(await read('planCount'))
      if (count < answers.plans.length) {
        throw new AppError({
          code: 'contract-missing',
          detail: `The contract has ${count} plans, the answers ${answers.plans.length}.`,
          hint: 'The owner adds plans.',
        })
      }
    } finally {
      provider.destroy()
    }
    const sha256 = z
      .string()
      .optional()
      .parse(await journal.get('template'))
    // the first sells, older ones run out: none that has VMs is ever dropped by an answer file that forgets it
    const served = [{ address: contract.address, fromBlock: contract.fromBlock }, ...answers.contracts.slice(1)]
    const kept = new Set(served.map((c) => c.address.toLowerCase()))
    const dropped = (await context.readConfig())?.contracts.find((c) => !kept.has(c.address.toLowerCase()))
    if (dropped !== undefined) {
      throw new AppError({
        code: 'config-invalid',
        detail: `The answers no longer name the contract ${dropped.address}, whose subscriptions this host serves.`,
        hint: 'Name it in contracts, after the one that sells.',
      })
    }
    const config: Config = {
      ...answers,
      contracts: served,
      // what the answers pin is what they get
      template: { ...(sha256 !== undefined && { sha256 }), ...answers.template },
    }
    await context.writeConfig(config)
    io.log('roles and plans are those of the answers; the storefront opens')
  },
}
