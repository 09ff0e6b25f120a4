import { lstat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { auditPageSchema, type AuditView } from '../../api/schemas/audit.ts'
import { systemClock } from '../../clock/clock.ts'
import { auditFindings } from '../audit-findings.ts'
import type { CliContext } from '../context.ts'
import { ExitCode, parseDuration, printJson, printTable, say } from '../output.ts'
import type { Check } from '../verify/check.ts'
import { verifyInstallation } from '../verify/installation.ts'

type Make = (command: Command) => CliContext

/** Nothing could be looked at: the same number as in a guest. */
const notLookedAt = 3

/** `verify` and `audit`, on the host itself: they read and change nothing. */
export function registerVerifyCommands(program: Command, make: Make): void {
  program
    .command('verify')
    .description('prove this installation: files, owners, modes, keys, sockets, chain, contracts, clock (on the host itself)')
    .addHelpText('after', '\nExit codes: 0 nothing failed, 1 something failed, 2 bad input, 3 this user may not look')
    .action(async (_, command: Command) => {
      const context = make(command)
      const checks = await verify(context)
      const ok = checks.every((c) => c.state !== 'failed')
      if (context.options.json) printJson({ version: 1, ok, checks })
      else {
        printTable(checks.map(({ id, state, text }) => [state, id, text]))
        for (const { id, remedy } of checks.filter((c) => c.remedy !== '')) say(`${id}: ${remedy}`)
        say(ok ? 'Nothing failed.' : 'Something failed.')
      }
      if (!ok) throw new ExitCode(1)
    })

  program
    .command('audit')
    .description('who signed in, which act, how it ended; and whether the trail fits together (on the host itself)')
    .option('--vm <vmId>', 'of one VM only')
    .option('--since <duration>', 'no older than this, such as 7d')
    .addHelpText('after', '\nExit codes: 0 the trail fits together, 1 it does not, 2 bad input, 3 the host does not answer')
    .action(async ({ vm, since }: { vm?: string; since?: string }, command: Command) => {
      const context = make(command)
      const oldest = since === undefined ? 0 : systemClock.now() - parseDuration(since)
      const records = await wholeTrail(context)
      // looked at as a whole: a part may have its other half outside
      const findings = auditFindings(records)
      const shown = records.filter((r) => r.at >= oldest && (vm === undefined || r.target === vm))
      if (context.options.json) printJson({ version: 1, ok: findings.length === 0, findings, records: shown })
      else {
        printTable([
          ['TIME', 'WHO', 'WHAT', 'TARGET', 'RESULT'],
          ...shown.map((r) => [new Date(r.at * 1000).toISOString(), r.who, r.what, r.target, r.result].map(printable)),
        ])
        for (const finding of findings) say(`Does not fit: ${printable(finding)}`)
        say(findings.length === 0 ? `${records.length} records fit together.` : `${findings.length} findings.`)
      }
      if (findings.length > 0) throw new ExitCode(1)
    })
}

async function verify(context: CliContext): Promise<Check[]> {
  const stateFolder = resolve(context.options.state)
  const folder = await lstat(stateFolder).catch(() => undefined)
  if (folder === undefined || (process.getuid?.() !== 0 && process.getuid?.() !== folder.uid)) {
    say(`freehold: ${stateFolder} ${folder === undefined ? 'is not there' : `is for user ${folder.uid} and root to look at`}.`)
    throw new ExitCode(notLookedAt)
  }
  const { uid, gid } = folder
  // root looks with the daemon's eyes: what the daemon may not read is a finding
  if (process.getuid?.() === 0 && uid !== 0) {
    process.setgroups?.([gid])
    process.setgid?.(gid)
    process.setuid?.(uid)
  }
  return await verifyInstallation(stateFolder, uid, context.admin)
}

async function wholeTrail({ admin }: CliContext): Promise<AuditView[]> {
  const records: AuditView[] = []
  let cursor: string | null = null
  do {
    const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const page: { items: AuditView[]; nextCursor: string | null } = await admin.call(
      auditPageSchema,
      'GET',
      `/v1/audit?limit=200${query}`,
    )
    records.push(...page.items)
    cursor = page.nextCursor
  } while (cursor !== null)
  return records
}

/** What stood in a user name or an address must not move the terminal's cursor. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?')
}
