import { execFile } from 'node:child_process'

/** What a program said, and how it ended. */
export interface Said {
  code: number
  stdout: string
  stderr: string
}

/** Runs a program to its end, however it ends; 30 minutes at most. Argument array, no shell. */
export function tool(program: string, args: readonly string[], cwd = '/'): Promise<Said> {
  return new Promise((resolve) => {
    const env = { ...process.env, LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive' }
    execFile(program, args, { cwd, env, maxBuffer: 64 * 2 ** 20, timeout: 30 * 60_000 }, (error, stdout, stderr) => {
      resolve({
        code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1,
        stdout,
        stderr: stderr || (error?.message ?? ''),
      })
    }).stdin?.end()
  })
}

/** The same, where an end other than good is a failure. Throws Error with the end of what was said. */
export async function good(program: string, args: readonly string[], cwd?: string): Promise<string> {
  const { code, stdout, stderr } = await tool(program, args, cwd)
  if (code === 0) return stdout
  throw new Error(`${program} ${args[0] ?? ''} ended with ${code}: ${`${stdout}\n${stderr}`.trim().slice(-2000)}`)
}
