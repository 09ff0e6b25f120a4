import { readFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import { z } from 'zod'
import { taskSchema } from '../../api/schemas/tasks.ts'
import { loadConfig, parseConfig } from '../../config/load.ts'
import { secretsOfUrl } from '../../config/secrets.ts'
import type { CliContext } from '../context.ts'
import { printJson, printTable, say } from '../output.ts'
import { restoreFirst } from '../send-backup.ts'
import { followTask } from '../tasks.ts'

type Make = (command: Command) => CliContext

const reviewSchema = z.strictObject({
  steps: z.array(z.strictObject({ name: z.string(), estimateSeconds: z.number(), done: z.boolean() })),
})
const rebuildSchema = z.strictObject({ vms: z.number().int(), unmatched: z.array(z.string()) })

/** Verbs of the operator on the host itself, over its own socket: validate, apply, undo, rebuild. */
export function registerSetupCommands(program: Command, make: Make): void {
  program
    .command('validate')
    .argument('<file>', 'an answer file or freehold.yaml')
    .description('check an answer file: every mistake with line, field and remedy; changes nothing')
    .action(async (file: string, _, command: Command) => {
      const config = await loadConfig(file)
      const secrets = config.chain.rpcUrls.flatMap((url, i) => (secretsOfUrl(url) ? [`/chain/rpcUrls/${i}`] : []))
      if (make(command).options.json) return printJson({ valid: true, config, secretsInClear: secrets })
      for (const pointer of secrets) {
        say(`warning: ${file}: ${pointer} holds a key in clear. Keep the file at mode 0600 and out of version control.`)
      }
      say(
        `${file} is valid: ${config.plans.length} plans on network ${config.chain.chainId}, ${config.hypervisor.kind} as hypervisor.`,
      )
    })

  program
    .command('apply')
    .argument('<file>', 'an answer file')
    .option('--dry-run', 'print what would be done and change nothing')
    .option(
      '--skip <step>',
      'go on without a step that failed, where that is possible: tls, ipv6, backup; may be repeated',
      (step, before: string[]) => [...before, step],
      [],
    )
    .description('set the host up as the file says; may be repeated, and goes on where it was interrupted')
    .action(async (file: string, own: { dryRun?: boolean; skip: string[] }, command: Command) => {
      const context = make(command)
      await loadConfig(file)
      const answers = await readFile(file, 'utf8')
      const { restore } = parseConfig(answers, file)
      if (own.dryRun === true) {
        const review = await context.admin.call(reviewSchema, 'POST', '/v1/setup/review', { body: { answers } })
        if (context.options.json) return printJson(review)
        return printTable([
          ['STEP', 'STATE', 'TAKES ABOUT'],
          ...review.steps.map((s) => [s.name, s.done ? 'done' : 'to do', `${s.estimateSeconds} s`]),
        ])
      }
      if (restore !== undefined && (await restoreFirst(context.admin, restore)) !== null) say(`Restored from ${restore.file}.`)
      const task = await context.admin.call(taskSchema, 'POST', '/v1/setup', {
        body: { answers, skip: own.skip },
        headers: { 'idempotency-key': randomBytes(16).toString('hex') },
      })
      const ended = await followTask(context.admin, task.taskId, true)
      if (context.options.json) return printJson(ended)
      say('The host is set up.')
    })

  program
    .command('undo')
    .description('take back what a setup did that stopped half-way; what is on chain stays there')
    .action(async (_, command: Command) => {
      const context = make(command)
      const task = await context.admin.call(taskSchema, 'POST', '/v1/setup/undo', {
        body: {},
        headers: { 'idempotency-key': randomBytes(16).toString('hex') },
      })
      const ended = await followTask(context.admin, task.taskId, true, 'undone')
      if (context.options.json) return printJson(ended)
      say('What setup did is taken back. What is on chain stays there.')
    })

  program
    .command('rebuild')
    .description('restore the database from chain, hypervisor and secrets; may be repeated')
    .action(async (_, command: Command) => {
      const context = make(command)
      const report = await context.admin.call(rebuildSchema, 'POST', '/v1/rebuild', {
        body: {},
        headers: { 'idempotency-key': randomBytes(16).toString('hex') },
      })
      if (context.options.json) return printJson(report)
      say(`${report.vms} VMs are known again.${report.unmatched.length > 0 ? ` Left alone: ${report.unmatched.join(', ')}` : ''}`)
    })
}
