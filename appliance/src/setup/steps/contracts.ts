import { randomBytes } from 'node:crypto'
import { deploySubscriptions, saltOf, type NewPlan } from '@freehold/contracts/deploy'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import type { JsonRpcProvider, Signer } from 'ethers'
import { z } from 'zod'
import { ContractCodec } from '../../chain/contract-codec.ts'
import { zeroAddress, type Plan } from '../../chain/subscription.ts'
import type { Config, PlanAnswer } from '../../config/schema.ts'
import { AppError } from '../../errors/app-error.ts'
import type { Step, StepIo } from '../../steps/step.ts'
import type { SetupContext } from '../context.ts'
import { KeySigner } from '../key-signer.ts'
import { noteBefore, noteOf } from '../undo-notes.ts'
import { sweep } from '../sweep.ts'
import { hostKeys, openRpc } from './chain.ts'
import { deployByWallet } from './wallet-deployment.ts'

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
      gasPerDay: BigInt(answer.gasPerDay),
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
      const args = {
        owner: answers.roles.owner,
        treasury: answers.roles.treasury,
        provisioner: keys.provisioner.address,
        plans: answers.plans.map((plan) => newPlanOf(plan, tokenOf)),
      }
      if (answers.deployment === 'wallet') {
        const known = contractEntry.safeParse(await journal.get('contract')).data
        const found = known ?? (await deployByWallet(context, provider, z.string().parse(salt), args, io))
        await journal.put('contract', found)
        io.log(`contract ${found.address}`)
        return
      }
      io.progress('deploying')
      const result = await deploySubscriptions({
        provider,
        signer: deployer,
        salt: z.string().parse(salt),
        args,
        journal: {
          get: async () => deployEntry.safeParse(await journal.get('deployment')).data,
          put: (entry) => journal.put('deployment', entry),
        },
      })
      const fromBlock = contractEntry.safeParse(await journal.get('contract')).data?.fromBlock ?? result.blockNumber
      await journal.put('contract', { address: result.address, fromBlock })
      io.log(result.transactionHash === null ? `contract ${result.address} is there already` : `contract ${result.address}`)
      // the deployer never had a role and needs nothing any more
      await sweep(provider, deployer, keys.provisioner.address, io, 'left at the deployer went to the provisioner')
    } finally {
      provider.destroy()
    }
  },
  /** What is on chain stays there: nobody can take a contract back. The same answers find it again. */
  async undo({ journal, answers }, io) {
    const made = contractEntry.safeParse(await journal.get('contract')).data
    if (made !== undefined && answers.contracts.length === 0) {
      io.log(`the contract ${made.address} stays on chain; setup by the same answers takes it again`)
    }
  },
}

/**
 * In which the contract's plans differ from the answers'. A deployment that was killed and repeated after the answers were
 * edited has the plans of before: to sell by them would be to sell at prices nobody asked for. Pure.
 */
export function planDifferences(plans: readonly Plan[], answers: readonly NewPlan[]): string[] {
  return answers.flatMap(({ plan: wanted, prices }, i) => {
    const found = plans[i]?.name === wanted.name ? plans[i] : plans.find((plan) => plan.name === wanted.name)
    if (found === undefined) return [`${wanted.name}: the contract has no such plan`]
    const differences: string[] = []
    const compare = (what: string, theirs: unknown, ours: unknown): void => {
      if (theirs !== ours) differences.push(`${wanted.name}: ${what} is ${String(theirs)}, the answers say ${String(ours)}`)
    }
    compare('kind', found.kind, wanted.kind === 0 ? 'vm' : 'wasm')
    for (const name of unchangeable) compare(name, found[name], wanted[name])
    compare('capacity', found.capacity, wanted.capacity)
    compare('open', found.open, wanted.open)
    const perDay = new Map(prices.map((price) => [price.token.toLowerCase(), price.perDay]))
    for (const { token, pricePerDay } of found.prices) compare(`price per day in ${token}`, pricePerDay, perDay.get(token) ?? 0n)
    for (const [token, price] of perDay) {
      if (price !== 0n && !found.prices.some((listed) => listed.token === token)) compare(`price per day in ${token}`, 0n, price)
    }
    return differences
  })
}

const unchangeable = [
  'vcpus',
  'memoryMiB',
  'diskGiB',
  'gasPerDay',
  'graceSeconds',
  'activationDeadlineSeconds',
  'minSeconds',
  'maxSeconds',
] as const

async function checkPlans(context: SetupContext, provider: JsonRpcProvider, address: string, io: StepIo): Promise<void> {
  const codec = new ContractCodec(subscriptionsInterface, '')
  const count = Number(
    subscriptionsInterface.decodeFunctionResult(
      'planCount',
      await provider.call({ to: address, data: subscriptionsInterface.encodeFunctionData('planCount') }),
    )[0],
  )
  if (count < context.answers.plans.length) {
    throw new AppError({
      code: 'contract-missing',
      detail: `The contract has ${count} plans, the answers ${context.answers.plans.length}.`,
      hint: 'The owner adds plans.',
    })
  }
  const ids = Array.from({ length: count }, (_, id) => id)
  const plans = codec.decodePlans(await provider.call({ to: address, data: codec.encodePlans(ids) }))
  const devToken = addressEntry.safeParse(await context.journal.get('dev-token')).data?.address ?? zeroAddress
  const tokenOf = (name: string): string => (name === 'native' ? zeroAddress : name === 'dev-token' ? devToken : name)
  const differences = planDifferences(
    plans,
    context.answers.plans.map((answer) => newPlanOf(answer, tokenOf)),
  )
  if (differences.length === 0) return
  // of a contract in use the owner may have changed the plans since: the chain is right then
  if (context.answers.contracts[0] !== undefined || (await context.readConfig()) !== undefined) {
    for (const difference of differences) io.log(`plans on the contract go before those of the answers: ${difference}`)
    return
  }
  throw new AppError({
    code: 'config-invalid',
    detail: `The contract ${address} has other plans than the answers: ${differences.join('; ')}.`,
    hint: 'Write the plans in the answers as the contract has them, or have its owner set prices, capacity and sale or add a plan.',
  })
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
      await checkPlans(context, provider, contract.address, io)
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
    await noteBefore(journal, 'config', (await context.configText()) ?? null)
    await context.writeConfig(config)
    io.log('roles and plans are those of the answers; the storefront opens')
  },
  async undo(context, io) {
    const before = await noteOf(context.journal, 'config')
    if (before === undefined) return
    await context.restoreConfig(before)
    io.log(before === null ? 'the configuration is gone' : 'the configuration of before is back')
  },
}
