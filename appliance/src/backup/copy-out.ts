import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { AppError } from '../errors/app-error.ts'

const run = promisify(execFile)
const patienceMs = 30 * 60_000

/**
 * Runs the operator's program that brings a backup elsewhere: `rsync`, `scp`, `rclone` … `{file}` in an argument is the path.
 * No shell reads it. Throws `process-failed`, `tool-missing`; what the program printed stays in the cause.
 */
export async function copyOut(command: readonly string[], file: string, signal: AbortSignal): Promise<void> {
  const [program = '', ...args] = command.map((word) => word.replaceAll('{file}', file))
  try {
    await run(program, args, {
      timeout: patienceMs,
      signal,
      maxBuffer: 1_048_576,
      // the pages' program reads this file too, and Next's types want the third
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NODE_ENV: 'production' },
    })
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') {
      throw new AppError({ code: 'tool-missing', detail: `The program of backup.copy, ${program}, is not installed.`, cause })
    }
    throw new AppError({
      code: 'process-failed',
      detail: `The backup is whole, and ${program} did not bring it elsewhere.`,
      hint: 'Run the command of backup.copy by hand as the user of the daemon, and look at the log of the host.',
      cause,
    })
  }
}
