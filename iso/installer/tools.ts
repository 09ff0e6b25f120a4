import { execFile, spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { createHash } from 'node:crypto'
import { InstallFault } from './fault.ts'

/** Runs a program to its end; what it printed. Throws `tool-failed` with the end of what it said. */
export function tool(program: string, args: readonly string[], input?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { maxBuffer: 64 * 2 ** 20, timeout: 30 * 60_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(failed(program, args, `${stdout}\n${stderr}`, error))
    })
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input ?? '')
  })
}

/** Like `tool`, and hands on each line as it comes. Every exit code but 0 is a failure, also a "mostly done". */
export function followed(program: string, args: readonly string[], line: (text: string) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let tail = ''
    const take = (chunk: Buffer): void => {
      tail = (tail + chunk.toString()).slice(-4000)
      const last = chunk
        .toString()
        .split(/[\r\n]/)
        .findLast((text) => text.trim() !== '')
      if (last !== undefined) line(last.trim())
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.on('error', (error) => reject(failed(program, args, '', error)))
    child.on('close', (code) => (code === 0 ? resolve() : reject(failed(program, args, tail, `exit code ${code}`))))
  })
}

export function sha256Of(file: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const hash = createHash('sha256')
    createReadStream(file, { highWaterMark: 2 ** 20 })
      .on('data', (chunk) => hash.update(chunk))
      .on('error', reject)
      .on('end', () => resolve(hash.digest('hex')))
  })
}

function failed(program: string, args: readonly string[], said: string, cause: unknown): InstallFault {
  const lines = said.split('\n').filter((text) => text.trim() !== '')
  return new InstallFault('tool-failed', {
    wrong: `${program} failed, so the installation ended in the middle. This disk will not start as a host.`,
    seen: [`${program} ${args.join(' ')}`, ...lines.slice(-4)],
    remedy: 'Look whether the disk is sound (smartctl), then start from the medium again and install anew.',
    cause,
  })
}
