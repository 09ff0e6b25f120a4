import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { UpdateFault } from './fault.ts'
import { judgement, type Judgement } from './health.ts'
import { readOutcome, type Outcome } from './journal.ts'
import { offered } from './packages.ts'
import { places } from './places.ts'
import { tool } from './tool.ts'
import { apply, resume, versionsText } from './update.ts'

// freehold update: run by its units, and by root at the machine. Nothing here is imported from elsewhere: the same files run from
// beside the journal while the product is being replaced.
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, pause: { type: 'string' } },
})
/** Milliseconds between two looks at the new daemon. */
const how: Judgement = values.pause === undefined ? judgement : { ...judgement, pauseMs: Number(values.pause) }
const say = (line: string): void => void process.stderr.write(`freehold-update: ${line}\n`)

async function main(): Promise<number> {
  await mkdir(places.state, { recursive: true, mode: 0o755 })
  switch (positionals[0]) {
    case 'check': {
      const found = await offered()
      const none = Object.keys(found).length === 0
      process.stdout.write(
        values.json ? `${JSON.stringify({ offered: found })}\n` : none ? 'up to date\n' : `${versionsText(found)}\n`,
      )
      return 0
    }
    case 'apply':
      return told(await alone(() => apply(say, how)))
    case 'resume':
      return told(await alone(() => resume(say, how)))
    case 'last':
      return told(await readOutcome())
    default:
      process.stderr.write('Usage: check [--json] | apply | resume | last\n')
      return 2
  }
}

/** One at a time. The lock is a process's: whoever is killed holds nothing. */
async function alone<T>(work: () => Promise<T>): Promise<T> {
  const file = join(places.state, 'pid')
  const holder = Number((await tool('cat', [file])).stdout.trim())
  if (holder > 0 && holder !== process.pid && (await tool('cat', [`/proc/${holder}/cmdline`])).stdout.includes('update')) {
    throw new UpdateFault('update-busy', 'An update is under way.', 'Wait for its end.')
  }
  await writeFile(file, `${process.pid}\n`, { mode: 0o600 })
  return await work()
}

function told(outcome: Outcome | undefined): number {
  if (values.json) process.stdout.write(`${JSON.stringify(outcome ?? null)}\n`)
  else if (outcome === undefined) process.stdout.write('nothing to do\n')
  else if (outcome.outcome === 'nothing-to-do') process.stdout.write('up to date\n')
  else if (outcome.outcome === 'updated') process.stdout.write(`updated to ${versionsText(outcome.to)}\n`)
  else {
    const failed = outcome.outcome === 'failed'
    const wrong = `${failed ? 'The update failed, and so did the way back' : 'The update was taken back; the host works as before'}: ${outcome.because ?? ''}`
    return refused(
      new UpdateFault(
        failed ? 'update-failed' : 'update-rolled-back',
        wrong,
        failed
          ? 'journalctl -u freeholdd; packages of before are in /var/lib/freehold-update/old.'
          : 'Tell who makes the packages.',
      ),
    )
  }
  return 0
}

function refused(fault: UpdateFault): number {
  process.stderr.write(`${fault.message}\n${fault.remedy}\n[${fault.code}]\n`)
  return 1
}

try {
  process.exitCode = await main()
} catch (error) {
  process.exitCode = refused(
    error instanceof UpdateFault ? error : new UpdateFault('update-failed', String(error), 'Nothing was installed.', error),
  )
}
