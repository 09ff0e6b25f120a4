import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { loginRequestSchema } from '../api/schemas/sign-in.ts'
import { plansSchema, quoteSchema, statusSchema } from '../api/schemas/status.ts'
import { purchaseSchema, vmSchema } from '../api/schemas/vms.ts'
import { HostRpc, sendTransaction } from '../cli/chain-client.ts'
import { createClient } from '../cli/client.ts'
import { approve, signIn } from '../cli/session.ts'
import { walletOf } from '../cli/wallet.ts'
import { systemClock } from '../clock/clock.ts'
import { zeroAddress } from '../chain/subscription.ts'
import { AppError } from '../errors/app-error.ts'
import { devWallet } from './dev-wallet.ts'
import { sshLogin } from './ssh-login.ts'

export interface DemoResult {
  phases: { name: string; seconds: number }[]
  vm: { vmId: string; ssh: string; hostKeyFingerprint: string }
  login: { exitCode: number; stdout: string }
}

/**
 * The whole chain of value once: buys the smallest plan with a development wallet, waits until it is ready, logs in over real
 * ssh with a wallet signature, runs `uname -a`. Throws AppError where the chain breaks.
 */
export async function runDemo(origin: string, report: (line: string) => void): Promise<DemoResult> {
  const phases: DemoResult['phases'] = []
  const started = systemClock.monotonicMs()
  let from = started
  const done = (name: string) => {
    const now = systemClock.monotonicMs()
    phases.push({ name, seconds: Math.round((now - from) / 100) / 10 })
    report(`${name}: ${phases.at(-1)?.seconds} s`)
    from = now
  }
  const client = createClient({ url: origin })
  const wallet = walletOf(devWallet(4))
  const status = await client.call(statusSchema, 'GET', '/v1/status')
  const { plans } = await client.call(plansSchema, 'GET', '/v1/plans')
  const plan = plans.toSorted((a, b) => a.memoryMiB - b.memoryMiB).find((p) => p.open && p.available > 0)
  if (plan === undefined)
    throw new AppError({
      code: 'capacity-exceeded',
      detail: 'No plan has a free place.',
      hint: 'End a VM, or start with a fresh --state folder.',
    })
  const quote = await client.call(
    quoteSchema,
    'GET',
    `/v1/quotes?planId=${plan.planId}&token=${zeroAddress}&seconds=${plan.minSeconds}`,
  )
  const rpc = new HostRpc(client, status.chain.chainId)
  const receipt = await sendTransaction(
    rpc,
    wallet,
    {
      to: quote.contract,
      data: subscriptionsInterface.encodeFunctionData('buy', [
        plan.planId,
        zeroAddress,
        plan.minSeconds,
        BigInt(quote.price),
        wallet.address,
      ]),
      value: BigInt(quote.price),
    },
    (data) => subscriptionsInterface.parseError(data)?.name,
  )
  done('paid')
  let vmId: string | null = null
  for (let last = ''; vmId === null;) {
    const purchase = await client.call(purchaseSchema, 'GET', `/v1/purchases/${receipt.hash}`)
    const phase = purchase.phase ?? purchase.state
    if (phase !== last) report(`  ${phase}`)
    last = phase
    if (purchase.state === 'ready') vmId = purchase.vmId
    if (['rejected', 'refundable', 'failed'].includes(purchase.state)) {
      throw new AppError({
        code: 'step-failed',
        detail: `The purchase ended as ${purchase.state}.`,
        hint: 'See log/freeholdd.log in the state folder.',
      })
    }
    await systemClock.wait(200)
  }
  done('VM ready')
  await signIn(client, wallet, status.origin, status.now)
  const vm = await client.call(vmSchema, 'GET', `/v1/vms/${vmId}`)
  if (vm.ssh === null) throw new AppError({ code: 'internal', detail: 'The VM is ready but has no ssh line.' })
  const login = await sshLogin({
    host: vm.ssh.host,
    port: vm.ssh.port,
    user: vm.ssh.user,
    knownHostsLine: vm.ssh.knownHostsLine,
    command: ['uname', '-a'],
    async onUrl(url) {
      done('sign-in prompt')
      const view = await client.call(loginRequestSchema, 'GET', `/v1/login-requests/${new URL(url).pathname.split('/').at(-1)}`)
      const approval = await approve(client, view, wallet, status.origin)
      done('approved')
      return approval.replyCode ?? ''
    },
  })
  done('shell and command')
  phases.push({ name: 'in all', seconds: Math.round((systemClock.monotonicMs() - started) / 100) / 10 })
  return {
    phases,
    vm: { vmId: vm.vmId, ssh: vm.ssh.command, hostKeyFingerprint: vm.ssh.hostKeyFingerprint },
    login: { exitCode: login.exitCode, stdout: login.stdout },
  }
}
