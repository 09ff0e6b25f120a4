import { execFile } from 'node:child_process'
import { WireGuardError } from './errors.ts'

export interface RunOptions {
  input?: string
  timeoutMs?: number
  /** Network namespace to run in (`ip netns`). */
  namespace?: string
}

/** What a program said; its exit code is an answer. */
export interface RunResult {
  code: number
  stdout: string
  stderr: string
}

/** Runs a program with an argument array and a time limit, never through a shell. Throws `daemon-missing`, `timed-out`. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [file, all] =
    options.namespace === undefined ? [program, args] : ['ip', ['netns', 'exec', options.namespace, program, ...args]]
  const { promise, resolve, reject } = Promise.withResolvers<RunResult>()
  const child = execFile(
    file,
    all,
    { timeout: options.timeoutMs ?? 30_000, killSignal: 'SIGKILL', maxBuffer: 2 ** 26, env: { ...process.env, LC_ALL: 'C' } },
    (error, stdout, stderr) => {
      const failed = error as (Error & { code?: number | string; killed?: boolean }) | null
      if (failed === null) resolve({ code: 0, stdout, stderr })
      else if (failed.code === 'ENOENT')
        reject(new WireGuardError('daemon-missing', `${program} is not installed`, `Install the package that brings ${program}.`))
      else if (failed.killed === true)
        reject(new WireGuardError('timed-out', `${program} took too long`, 'Try again; look at the load of the machine.'))
      else resolve({ code: typeof failed.code === 'number' ? failed.code : 1, stdout, stderr })
    },
  )
  child.stdin?.on('error', () => {})
  child.stdin?.end(options.input ?? '')
  return promise
}

/** As `run`; a failure throws `interface-refused` with the action. */
export async function runOrFail(
  action: string,
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const result = await run(program, args, options)
  if (result.code === 0) return result.stdout
  throw new WireGuardError('interface-refused', `it was not possible to ${action}`, 'The cause stands in the log.', {
    cause: new Error(result.stderr.trim().slice(-1000)),
  })
}
