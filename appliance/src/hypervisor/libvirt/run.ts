import { execFile } from 'node:child_process'
import { AppError } from '../../errors/app-error.ts'

export interface RunOptions {
  timeoutMs?: number
  signal?: AbortSignal
  env?: Record<string, string>
  input?: string
}

/** What a program said. A program that cannot be run or runs too long is an AppError; an exit code is an answer. */
export interface RunResult {
  code: number
  stdout: string
  stderr: string
}

/** Runs a program with an argument array, English messages and a time limit. Throws `tool-missing`, `timed-out`. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { promise, resolve, reject } = Promise.withResolvers<RunResult>()
  const child = execFile(
    program,
    args,
    {
      timeout: options.timeoutMs ?? 30_000,
      killSignal: 'SIGKILL',
      maxBuffer: 16 * 2 ** 20,
      env: { ...process.env, LC_ALL: 'C', ...options.env },
      ...(options.signal !== undefined && { signal: options.signal }),
    },
    (error, stdout, stderr) => {
      const e = error as (Error & { code?: string | number; killed?: boolean }) | null
      if (e === null) resolve({ code: 0, stdout, stderr })
      else if (options.signal?.aborted === true) reject(options.signal.reason as Error)
      else if (e.code === 'ENOENT') {
        reject(new AppError({ code: 'tool-missing', detail: `The program ${program} is not there.`, cause: e }))
      } else if (e.killed === true) {
        reject(
          new AppError({
            code: 'timed-out',
            detail: `${program} ${args[0] ?? ''} took longer than ${(options.timeoutMs ?? 30_000) / 1000} s.`,
            cause: e,
          }),
        )
      } else resolve({ code: typeof e.code === 'number' ? e.code : 1, stdout, stderr })
    },
  )
  if (options.input !== undefined) child.stdin?.end(options.input)
  return promise
}

/** As `run`, for programs whose failure is a failure: throws `storage-full` or `process-failed` naming the action. */
export async function runOrFail(
  action: string,
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const result = await run(program, args, options)
  if (result.code === 0) return result.stdout
  throw failureOf(action, result)
}

export function failureOf(action: string, result: RunResult): AppError {
  const cause = new Error(result.stderr.trim().slice(-2000))
  if (/No space left on device/.test(result.stderr))
    return new AppError({ code: 'storage-full', detail: `There was no room to ${action}.`, cause })
  return new AppError({ code: 'process-failed', detail: `It was not possible to ${action}.`, cause })
}
