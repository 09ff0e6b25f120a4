import { readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { setupCodeSchema } from '../../api/schemas/setup.ts'
import { statusSchema, type Status } from '../../api/schemas/status.ts'
import { tasksPageSchema, type TaskView } from '../../api/schemas/tasks.ts'
import { systemClock } from '../../clock/clock.ts'
import { fingerprintOf } from '../screen/fingerprint.ts'
import { drawScreen } from '../screen/draw.ts'
import { screenLines, type ScreenFacts } from '../screen/screen-text.ts'
import type { CliContext } from '../context.ts'

/** One line of freehold-proxmox.service while it is at work. */
const noticeFile = '/run/freehold-profile/notice'

type Make = (command: Command) => CliContext

/** Addresses that a browser on another machine can open. */
function addresses(family: 'IPv4' | 'IPv6'): string[] {
  return Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? [])
      .filter((one) => one.family === family && !one.internal && !one.address.startsWith('fe80'))
      .map((one) => one.address),
  )
}

function progressOf(task: TaskView | undefined): ScreenFacts['progress'] {
  if (task === undefined || (task.state !== 'running' && task.state !== 'failed')) return null
  const at = task.steps.findIndex((step) => step.state === 'running' || step.state === 'failed')
  const step = task.steps[Math.max(0, at)]
  if (step === undefined) return null
  return { step: step.name, at: Math.max(0, at) + 1, of: task.steps.length, phase: step.phase, state: task.state }
}

/** What the screen shows now. A daemon that does not answer is trouble, not an error: the screen stays. */
export async function screenFacts(context: CliContext, certificateFile: string): Promise<ScreenFacts> {
  const certificate = await readFile(certificateFile, 'utf8').catch(() => undefined)
  const next = await readFile(join(dirname(certificateFile), 'next/certificate.pem'), 'utf8').catch(() => undefined)
  // what the installed profile waits for, told by its unit
  const notice = await readFile(noticeFile, 'utf8').then(
    (text) => text.trim(),
    () => null,
  )
  const facts: ScreenFacts = {
    ipv4: addresses('IPv4'),
    ipv6: addresses('IPv6'),
    name: null,
    code: null,
    fingerprint: certificate === undefined ? null : fingerprintOf(certificate),
    next: next === undefined ? null : fingerprintOf(next),
    progress: null,
    trying: null,
    origin: null,
    trouble: null,
  }
  let status: Status
  try {
    status = await context.admin.call(statusSchema, 'GET', '/v1/status')
  } catch {
    return { ...facts, trouble: 'The daemon does not answer yet. This screen goes on by itself.' }
  }
  const { code, trying } = await context.admin
    .call(setupCodeSchema, 'GET', '/v1/setup/code')
    .catch(() => ({ code: null, trying: null }))
  const tasks = await context.admin.call(tasksPageSchema, 'GET', '/v1/tasks?limit=50').catch(() => undefined)
  return {
    ...facts,
    code: code && { text: code.text, left: code.left, voided: code.voided },
    trying: trying && { address: trying.address ?? 'by DHCP', secondsLeft: trying.secondsLeft },
    progress: code === null ? null : progressOf(tasks?.items.find((task) => task.kind === 'setup')),
    origin: status.storefront === 'open' ? status.origin : null,
    trouble: (code === null ? status.closedBecause : null) ?? notice,
  }
}

/** `freehold console-screen`: what tty1 shows; `--once` prints it once. */
export function registerScreenCommand(program: Command, make: Make): void {
  program
    .command('console-screen')
    .option('--once', 'print the screen once and end')
    .option('--certificate <file>', 'certificate whose fingerprint is shown; default: the first-boot one below the state folder')
    .description('the screen of the machine: addresses, one-time code, fingerprint, progress; R makes another code')
    .action(async (own: { once?: boolean; certificate?: string }, command: Command) => {
      const context = make(command)
      const certificate = own.certificate ?? join(context.options.state, 'tls/first-boot.pem')
      const facts = () => screenFacts(context, certificate)
      if (own.once === true || context.options.json === true) {
        const now = await facts()
        process.stdout.write(`${context.options.json === true ? JSON.stringify(now) : screenLines(now).join('\n')}\n`)
        return
      }
      await drawScreen({
        clock: systemClock,
        lines: async () => screenLines(await facts()),
        renew: async () => void (await context.admin.call(setupCodeSchema, 'POST', '/v1/setup/code', { body: {} })),
      })
    })
}
