import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { AppError } from '@freehold/appliance/errors/app-error'

/** Runs a program that prints one JSON value. Throws `process-failed` with what it said. */
export async function runJson<T>(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<T> {
  try {
    const { stdout } = await promisify(execFile)(command, args, {
      timeout: 180_000,
      env: { PATH: process.env['PATH'] ?? '', ...env },
    })
    return JSON.parse(stdout) as T
  } catch (cause) {
    const said = (cause as { stderr?: string }).stderr ?? (cause as Error).message
    throw new AppError({ code: 'process-failed', detail: `${command} ${args[0] ?? ''}: ${said.slice(-600)}`, cause })
  }
}
