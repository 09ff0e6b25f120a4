import type { Command } from 'commander'
import { formatUnits } from 'ethers'
import { issuesSchema } from '../../api/schemas/issues.ts'
import { plansSchema, type PlanView } from '../../api/schemas/status.ts'
import { taskLogSchema, tasksPageSchema, taskSchema, type TaskView } from '../../api/schemas/tasks.ts'
import { vmSchema, vmsPageSchema, type VmView } from '../../api/schemas/vms.ts'
import type { CliContext } from '../context.ts'
import { printJson, printLine, printTable, say, whenText } from '../output.ts'
import { followTask } from '../tasks.ts'

type Make = (command: Command) => CliContext

export function priceText(plan: PlanView): string {
  return plan.prices.map((p) => `${formatUnits(p.pricePerDay, p.decimals)} ${p.symbol}`).join(' or ')
}

function vmRow(vm: VmView, now: number): string[] {
  const { subscription } = vm
  const until = subscription.expiresAt === 0 ? 'not started' : whenText(subscription.expiresAt, now)
  return [vm.vmId, vm.state, subscription.planName, until, vm.ssh?.command ?? '-']
}

function taskRow(task: TaskView): string[] {
  const current = task.steps.find((s) => s.state === 'running') ?? task.steps.findLast((s) => s.state === 'done')
  return [task.taskId, task.kind, task.subject, task.state, current?.name ?? '-', new Date(task.createdAt * 1000).toISOString()]
}

/** Verbs that change nothing: status, plans, vms, vm, tasks, log. */
export function registerReadCommands(program: Command, make: Make): void {
  program
    .command('status')
    .description('what the host serves, its network and what needs attention')
    .action(async (_, command: Command) => {
      const context = make(command)
      const status = await context.status()
      if (context.options.json) return printJson(status)
      printTable([
        ['storefront', status.storefront + (status.closedBecause === null ? '' : `: ${status.closedBecause}`)],
        ['address', status.origin],
        ['network', `${status.chain.name} (${status.chain.chainId})${status.chain.stale ? ', newest block is too old' : ''}`],
        ['contract', status.contracts[0]?.address ?? 'none yet'],
        ['hypervisor', status.hypervisor === null ? 'none yet' : `${status.hypervisor.name} (${status.hypervisor.acceleration})`],
        ...status.notices.map((n) => ['notice', `${n.title} [${n.code}]`]),
      ])
    })

  program
    .command('plans')
    .description('what can be bought, with prices per day')
    .action(async (_, command: Command) => {
      const context = make(command)
      const { plans } = await context.client.call(plansSchema, 'GET', '/v1/plans')
      if (context.options.json) return printJson(plans)
      printTable([
        ['ID', 'NAME', 'VCPUS', 'MEMORY', 'DISK', 'PER DAY', 'FREE', 'KEPT AFTER THE END'],
        ...plans.map((p) => [
          String(p.planId),
          p.name,
          String(p.vcpus),
          `${p.memoryMiB} MiB`,
          `${p.diskGiB} GiB`,
          priceText(p),
          p.open ? String(p.available) : 'closed',
          `${p.graceSeconds / 86_400} days`,
        ]),
      ])
    })

  program
    .command('vms')
    .description('the VMs of the wallet that signs')
    .action(async (_, command: Command) => {
      const context = make(command)
      await context.signedIn()
      const { items } = await context.client.call(vmsPageSchema, 'GET', '/v1/vms?limit=200')
      if (context.options.json) return printJson(items)
      if (items.length === 0) return say('This wallet holds no access pass here. See what can be bought: freehold plans')
      const { now } = await context.status()
      printTable([['VM', 'STATE', 'PLAN', 'ENDS', 'SSH'], ...items.map((vm) => vmRow(vm, now))])
    })

  program
    .command('vm')
    .argument('<vmId>')
    .description('one VM: state, addresses, host key, end')
    .action(async (vmId: string, _, command: Command) => {
      const context = make(command)
      await context.signedIn()
      const vm = await context.client.call(vmSchema, 'GET', `/v1/vms/${encodeURIComponent(vmId)}`)
      if (context.options.json) return printJson(vm)
      const { now } = await context.status()
      const { subscription } = vm
      printTable([
        ['VM', vm.vmId],
        ['state', vm.state + (vm.note === null ? '' : `: ${vm.note}`)],
        ['machine', `${vm.vcpus} vCPU, ${vm.memoryMiB} MiB memory, ${vm.diskGiB} GiB disk`],
        ['ends', subscription.expiresAt === 0 ? 'not started' : whenText(subscription.expiresAt, now)],
        ['kept until', subscription.graceEndsAt === 0 ? '-' : whenText(subscription.graceEndsAt, now)],
        ['refund now', `${formatUnits(subscription.refundable, subscription.decimals)} ${subscription.symbol}`],
        ['ssh', vm.ssh?.command ?? 'not ready yet'],
        ['host key', vm.ssh?.hostKeyFingerprint ?? 'not reported yet'],
        ['known_hosts', vm.ssh?.knownHostsLine ?? '-'],
      ])
    })

  program
    .command('tasks')
    .description('work that goes on and what it led to (on the host itself)')
    .action(async (_, command: Command) => {
      const context = make(command)
      const { items } = await context.admin.call(tasksPageSchema, 'GET', '/v1/tasks?limit=50')
      if (context.options.json) return printJson(items)
      if (items.length === 0) return say('No work so far.')
      printTable([['TASK', 'KIND', 'SUBJECT', 'STATE', 'STEP', 'SINCE'], ...items.map(taskRow)])
    })

  program
    .command('issues')
    .description('what needs attention (on the host itself)')
    .action(async (_, command: Command) => {
      const context = make(command)
      const { issues } = await context.admin.call(issuesSchema, 'GET', '/v1/issues')
      if (context.options.json) return printJson(issues)
      if (issues.length === 0) return say('Nothing needs attention.')
      for (const issue of issues)
        for (const line of [
          `${issue.severity}  ${issue.title} (${issue.subject})`,
          `  ${issue.effect}`,
          `  ${issue.remedy}  [${issue.code}]`,
        ])
          printLine(line)
    })

  program
    .command('log')
    .argument('<taskId>')
    .option('-f, --follow', 'stay until the task has ended')
    .description('the log of a task (on the host itself)')
    .action(async (taskId: string, own: { follow?: boolean }, command: Command) => {
      const context = make(command)
      const path = `/v1/tasks/${encodeURIComponent(taskId)}`
      if (own.follow === true) {
        const task = await followTask(context.admin, taskId, true)
        return context.options.json ? printJson(task) : undefined
      }
      const { lines } = await context.admin.call(taskLogSchema, 'GET', `${path}/log`)
      if (context.options.json) return printJson({ task: await context.admin.call(taskSchema, 'GET', path), lines })
      for (const { at, line } of lines) printLine(`${new Date(at * 1000).toISOString()} ${line}`)
    })
}
