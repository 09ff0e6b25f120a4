import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import type { Command } from 'commander'
import { formatUnits, getAddress, Interface, isAddress } from 'ethers'
import { approvalSchema, loginRequestSchema } from '../../api/schemas/sign-in.ts'
import { plansSchema, quoteSchema, type PlanView } from '../../api/schemas/status.ts'
import { purchaseSchema, vmSchema, type Purchase, type VmView } from '../../api/schemas/vms.ts'
import { installationId } from '../../chain/installation.ts'
import { zeroAddress } from '../../chain/subscription.ts'
import { systemClock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import { HostRpc, sendTransaction } from '../chain-client.ts'
import type { CliContext } from '../context.ts'
import { parseDuration, printJson, printLine, printTable, say, whenText } from '../output.ts'
import { factsOf } from '../../api/schemas/sign-in-facts.ts'
import { agreeToPay, priceOf, type Agreement } from '../payment.ts'
import { approve } from '../session.ts'
import { signInText } from '../../sign-in/sign-in-text.ts'

type Make = (command: Command) => CliContext

const erc20 = new Interface([
  'function approve(address spender, uint256 amount) returns (bool)',
  'function allowance(address owner, address spender) view returns (uint256)',
])

function contractError(data: string): string | undefined {
  const parsed = subscriptionsInterface.parseError(data)
  return parsed === null ? undefined : parsed.name
}

function findPlan(plans: readonly PlanView[], wanted: string): PlanView {
  const plan = plans.find((p) => String(p.planId) === wanted) ?? plans.find((p) => p.name.toLowerCase() === wanted.toLowerCase())
  if (plan !== undefined) return plan
  throw new AppError({
    code: 'bad-input',
    detail: `There is no plan "${wanted}".`,
    hint: `Choose one of: ${plans.map((p) => `${p.planId} (${p.name})`).join(', ') || 'none is on sale'}.`,
  })
}

/** A host that quotes one contract and says that it serves others is asked nothing more. */
function mustSell(contracts: readonly { address: string }[], quoted: string): void {
  if (contracts.some(({ address }) => address.toLowerCase() === quoted.toLowerCase())) return
  throw new AppError({
    code: 'misdirected',
    detail: `The quote is for ${quoted}, which this host does not name among its contracts.`,
    hint: 'Pay nothing. This host is not to be trusted.',
  })
}

/** Follows a purchase until it is ready or has surely failed; says each phase once. */
async function followPurchase(context: CliContext, hash: string): Promise<Purchase> {
  let last = ''
  for (;;) {
    const purchase = await context.client.call(purchaseSchema, 'GET', `/v1/purchases/${hash}`)
    const line = purchase.phase === null ? purchase.state : `${purchase.state}: ${purchase.phase}`
    if (line !== last) say(`${String(purchase.elapsedSeconds).padStart(4)} s  ${line}`)
    last = line
    if (purchase.state === 'ready') return purchase
    if (purchase.state === 'rejected' || purchase.state === 'refundable' || purchase.state === 'failed') {
      throw new AppError({
        code: 'transaction-failed',
        detail: `The purchase ended as ${purchase.state}; what was paid is credited to you.`,
        hint: 'Withdraw it from the contract, or buy again.',
      })
    }
    await systemClock.wait(500)
  }
}

async function allow(context: CliContext, rpc: HostRpc, token: string, contract: string, amount: bigint): Promise<void> {
  const wallet = await context.wallet()
  const data = await rpc.call({ to: token, data: erc20.encodeFunctionData('allowance', [wallet.address, contract]) })
  if (BigInt(data) >= amount) return
  // exactly the amount (M6): no allowance outlives its transfer
  await sendTransaction(
    rpc,
    wallet,
    { to: token, data: erc20.encodeFunctionData('approve', [contract, amount]) },
    () => undefined,
  )
}

async function ownVm(context: CliContext, vmId: string): Promise<VmView> {
  await context.signedIn()
  const vm = await context.client.call(vmSchema, 'GET', `/v1/vms/${encodeURIComponent(vmId)}`)
  const { contract, tokenId } = vm.subscription
  const { chainId } = (await context.status()).chain
  // a transaction is made of these: they must be those of the VM that the person named
  if (vm.vmId !== vmId || `${installationId(chainId, contract)}-${tokenId}` !== vmId) {
    throw new AppError({
      code: 'misdirected',
      detail: `The host answered for ${vmId} with subscription ${tokenId} of ${contract}, which is another.`,
      hint: 'Sign nothing. This host is not to be trusted.',
    })
  }
  return vm
}

/** Verbs that sign: buy, extend, cancel, transfer, approve. */
export function registerWalletCommands(program: Command, make: Make): void {
  program
    .command('buy')
    .argument('<plan>', 'id or name of a plan')
    .requiredOption('--for <duration>', 'how long, such as 8d')
    .option('--token <symbol>', 'which of the accepted tokens to pay with; default: the first')
    .option('--recipient <address>', 'who gets the access pass; default: the wallet itself')
    .option('--max <amount>', 'pay at most this, such as 12.5')
    .option('--yes', 'pay without being asked: for scripts, with --max')
    .option('--dry-run', 'print the review and stop')
    .option('--no-wait', 'do not wait until the VM is ready')
    .description('buy a VM: review, pay, wait until it is ready')
    .action(
      async (
        wanted: string,
        own: Agreement & { for: string; token?: string; recipient?: string; dryRun?: boolean; wait: boolean },
        command: Command,
      ) => {
        const context = make(command)
        const seconds = parseDuration(own.for)
        if (own.recipient !== undefined && !isAddress(own.recipient))
          throw new AppError({ code: 'bad-input', detail: `${String(own.recipient)} is not an address.` })
        const [status, { plans }] = await Promise.all([context.status(), context.client.call(plansSchema, 'GET', '/v1/plans')])
        const plan = findPlan(plans, wanted)
        const price = plan.prices.find((p) => own.token === undefined || p.symbol.toLowerCase() === own.token.toLowerCase())
        if (price === undefined) {
          throw new AppError({
            code: 'bad-input',
            detail: `${plan.name} is not sold for ${own.token ?? 'that'}.`,
            hint: `Accepted: ${plan.prices.map((p) => p.symbol).join(', ')}.`,
          })
        }
        const quote = await context.client.call(
          quoteSchema,
          'GET',
          `/v1/quotes?planId=${plan.planId}&token=${price.token}&seconds=${seconds}`,
        )
        const total = priceOf(quote, { planId: plan.planId, token: price.token, seconds })
        mustSell(status.contracts, quote.contract)
        const review = {
          plan: plan.name,
          machine: `${plan.vcpus} vCPU, ${plan.memoryMiB} MiB memory, ${plan.diskGiB} GiB disk (one copy, no backup)`,
          seconds,
          total,
          network: `${status.chain.name} (${status.chain.chainId})`,
          contract: quote.contract,
          refund: 'cancel any time: what is left after the first day is paid back',
        }
        if (own.dryRun === true)
          return context.options.json ? printJson(review) : printTable(Object.entries(review).map(([k, v]) => [k, String(v)]))
        const wallet = await context.wallet()
        if (!context.options.json) printTable(Object.entries(review).map(([k, v]) => [k, String(v)]))
        await agreeToPay(context, quote, total, own)
        const rpc = new HostRpc(context.client, status.chain.chainId)
        const amount = BigInt(quote.price)
        if (price.token !== zeroAddress) await allow(context, rpc, price.token, quote.contract, amount)
        const receipt = await sendTransaction(
          rpc,
          wallet,
          {
            to: quote.contract,
            data: subscriptionsInterface.encodeFunctionData('buy', [
              plan.planId,
              price.token,
              seconds,
              amount,
              getAddress(own.recipient ?? wallet.address),
            ]),
            value: price.token === zeroAddress ? amount : 0n,
          },
          contractError,
        )
        say(`Paid in transaction ${receipt.hash}.`)
        if (!own.wait) return context.options.json ? printJson({ transactionHash: receipt.hash }) : undefined
        const purchase = await followPurchase(context, receipt.hash)
        if (context.options.json) return printJson(purchase)
        const vm = await ownVm(context, purchase.vmId ?? '')
        say('Ready. Log in with:')
        printLine(vm.ssh?.command ?? '')
      },
    )

  program
    .command('extend')
    .argument('<vmId>')
    .requiredOption('--for <duration>', 'how long to add, such as 8d')
    .option('--max <amount>', 'pay at most this, such as 12.5')
    .option('--yes', 'pay without being asked: for scripts, with --max')
    .option('--dry-run', 'print the review and stop')
    .description('add time to a subscription; anyone may pay')
    .action(async (vmId: string, own: Agreement & { for: string; dryRun?: boolean }, command: Command) => {
      const context = make(command)
      const seconds = parseDuration(own.for)
      const vm = await ownVm(context, vmId)
      const s = vm.subscription
      const status = await context.status()
      const quote = await context.client.call(
        quoteSchema,
        'GET',
        `/v1/quotes?planId=${s.planId}&token=${s.token}&seconds=${seconds}`,
      )
      const total = priceOf(quote, { planId: s.planId, token: s.token, seconds })
      const review = {
        VM: vm.vmId,
        seconds: String(seconds),
        total,
        network: `${status.chain.name} (${status.chain.chainId})`,
        contract: s.contract,
      }
      if (own.dryRun === true) return context.options.json ? printJson(quote) : printTable(Object.entries(review))
      if (!context.options.json) printTable(Object.entries(review))
      await agreeToPay(context, quote, total, own)
      const rpc = new HostRpc(context.client, status.chain.chainId)
      const amount = BigInt(quote.price)
      if (s.token !== zeroAddress) await allow(context, rpc, s.token, s.contract, amount)
      const receipt = await sendTransaction(
        rpc,
        await context.wallet(),
        {
          to: s.contract,
          data: subscriptionsInterface.encodeFunctionData('extend', [s.tokenId, seconds, amount]),
          value: s.token === zeroAddress ? amount : 0n,
        },
        contractError,
      )
      if (context.options.json) return printJson({ transactionHash: receipt.hash, total })
      say(`Extended for ${total} in transaction ${receipt.hash}.`)
    })

  program
    .command('cancel')
    .argument('<vmId>')
    .option('--confirm <vmId>', 'the VM id again: the VM and its disk are deleted')
    .option('--dry-run', 'print what would be lost and paid back, and stop')
    .description('end a subscription now; what is left is paid back, the VM and its disk are deleted')
    .action(async (vmId: string, own: { confirm?: string; dryRun?: boolean }, command: Command) => {
      const context = make(command)
      const vm = await ownVm(context, vmId)
      const s = vm.subscription
      const review = {
        lost: `${vm.vmId}: its disk of ${vm.diskGiB} GiB, its addresses and its access pass`,
        refund: `${formatUnits(s.refundable, s.decimals)} ${s.symbol}, to withdraw from the contract`,
      }
      if (own.dryRun === true) return context.options.json ? printJson(review) : printTable(Object.entries(review))
      if (own.confirm !== vm.vmId) {
        throw new AppError({
          code: 'bad-input',
          detail: `Lost: ${review.lost}. Paid back: ${review.refund}.`,
          hint: `To go on, add --confirm ${vm.vmId}`,
        })
      }
      const rpc = new HostRpc(context.client, (await context.status()).chain.chainId)
      const receipt = await sendTransaction(
        rpc,
        await context.wallet(),
        { to: s.contract, data: subscriptionsInterface.encodeFunctionData('cancel', [s.tokenId]) },
        contractError,
      )
      if (context.options.json) return printJson({ transactionHash: receipt.hash, ...review })
      say(`Cancelled in transaction ${receipt.hash}. ${review.refund}.`)
    })

  program
    .command('transfer')
    .argument('<vmId>')
    .argument('<address>', 'who holds the pass from now on')
    .option('--confirm <address>', 'the address again: whoever holds the pass has access, you no longer have')
    .description('give the access pass away, and with it the VM')
    .action(async (vmId: string, to: string, own: { confirm?: string }, command: Command) => {
      const context = make(command)
      if (!isAddress(to)) throw new AppError({ code: 'bad-input', detail: `${String(to)} is not an address.` })
      const vm = await ownVm(context, vmId)
      if (own.confirm?.toLowerCase() !== to.toLowerCase()) {
        throw new AppError({
          code: 'bad-input',
          detail: 'Whoever holds the pass has access; you lose it with the transfer.',
          hint: `To go on, add --confirm ${to}`,
        })
      }
      const wallet = await context.wallet()
      const rpc = new HostRpc(context.client, (await context.status()).chain.chainId)
      const data = subscriptionsInterface.encodeFunctionData('transferFrom', [
        wallet.address,
        getAddress(to),
        vm.subscription.tokenId,
      ])
      const receipt = await sendTransaction(rpc, wallet, { to: vm.subscription.contract, data }, contractError)
      if (context.options.json) return printJson({ transactionHash: receipt.hash, holder: getAddress(to) })
      say(`The pass is with ${getAddress(to)} now (transaction ${receipt.hash}).`)
    })

  program
    .command('approve')
    .argument('<code>', 'the code or the address that a terminal shows')
    .option('--dry-run', 'show the facts and the text, and stop')
    .description('approve a waiting sign-in; only if you started it')
    .action(async (code: string, own: { dryRun?: boolean }, command: Command) => {
      const context = make(command)
      const { origin, now } = await context.status()
      const plain = /^https?:/.test(code) ? codeOfUrl(code, origin) : code
      const view = await context.client.call(
        loginRequestSchema,
        'GET',
        `/v1/login-requests/${encodeURIComponent(plain.replace('-', '').toUpperCase())}`,
      )
      const wallet = await context.wallet()
      say(signInText(factsOf(view, wallet.address)))
      say(
        `\nExpires ${whenText(Math.floor(Date.parse(view.expiresAt) / 1000), now)}. This signs you in. It moves no money. Approve only if you started it.`,
      )
      if (own.dryRun === true) return context.options.json ? printJson(view) : undefined
      const approval = approvalSchema.parse(await approve(context.client, view, wallet, origin))
      if (context.options.json) return printJson(approval)
      if (approval.state === 'approved') return say('Approved. Go back to the terminal and press Enter.')
      say('The terminal is somewhere else: paste this reply code there, if it is yours.')
      printLine(approval.replyCode ?? '')
    })
}

function codeOfUrl(text: string, origin: string): string {
  const url = new URL(text)
  const match = /^\/s\/([0-9A-Za-z-]{8,9})$/.exec(url.pathname)
  if (url.origin !== new URL(origin).origin || match?.[1] === undefined) {
    throw new AppError({
      code: 'bad-input',
      detail: `${text} is not a sign-in address of ${origin}.`,
      hint: 'Copy the address or the code from the terminal.',
    })
  }
  return match[1]
}
