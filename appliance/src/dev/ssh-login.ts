import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawn } from '@lydell/node-pty'
import { systemClock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'

export interface SshLoginOptions {
  host: string
  port: number
  user: string
  /** The line for known_hosts as the VM page shows it: nobody is asked to trust an unknown key. */
  knownHostsLine: string
  /** What to run; without it a shell opens. */
  command?: readonly string[]
  /** Called with the sign-in address that the prompt shows; the login goes on with Enter once it resolves. May return what to type instead. */
  onUrl(url: string, prompt: string): Promise<string | void>
  /** Called at every further prompt with all that was seen so far; returns what to type. */
  onPrompt?(screen: string): Promise<string>
  timeoutSeconds?: number
  /** argv before `ssh`, to run it somewhere else: in a network namespace. */
  within?: readonly string[]
}

export interface SshLoginResult {
  exitCode: number
  /** All that the terminal showed. */
  screen: string
  /** What came after the login. */
  stdout: string
  /** Milliseconds from Enter after the approval to the first byte of the remote side. */
  shellMs: number | null
}

/**
 * Stock `ssh` on a pseudo terminal, as a person would use it: reads the link from its prompt, has it approved, presses Enter.
 * Throws `timed-out` with what the terminal showed.
 */
export async function sshLogin(options: SshLoginOptions): Promise<SshLoginResult> {
  const folder = await mkdtemp(join(tmpdir(), 'fh-ssh-'))
  const knownHosts = join(folder, 'known_hosts')
  await writeFile(knownHosts, `${options.knownHostsLine}\n`)
  const fixed = [
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${knownHosts}`,
    'GlobalKnownHostsFile=/dev/null',
    'PubkeyAuthentication=no',
    'PreferredAuthentications=keyboard-interactive',
    'NumberOfPasswordPrompts=1',
    'LogLevel=ERROR',
  ]
  const args = [
    '-F',
    '/dev/null',
    '-tt',
    '-p',
    String(options.port),
    ...fixed.flatMap((o) => ['-o', o]),
    `${options.user}@${options.host}`,
    ...(options.command ?? []),
  ]
  const [program = 'ssh', ...words] = [...(options.within ?? []), 'ssh', ...args]
  const pty = spawn(program, words, { cols: 80, rows: 24, name: 'xterm' })
  let screen = ''
  let answered = 0
  let enteredAt: number | null = null
  let mark = 0
  let firstByteAt: number | null = null
  const exited = Promise.withResolvers<number>()
  pty.onData((data) => {
    screen += data
    if (enteredAt !== null && firstByteAt === null && screen.slice(mark).replace(/[\r\n]/g, '') !== '')
      firstByteAt = systemClock.monotonicMs()
  })
  pty.onExit(({ exitCode }) => exited.resolve(exitCode))
  let running = true
  void exited.promise.then(() => (running = false))
  const end = systemClock.monotonicMs() + (options.timeoutSeconds ?? 120) * 1000
  try {
    while (running) {
      if (systemClock.monotonicMs() > end) {
        throw new AppError({ code: 'timed-out', detail: `ssh did not come to an end. It showed: ${screen.slice(-600)}` })
      }
      const open = screen.slice(answered)
      const url = /\s(https?:\/\/\S+\/s\/[0-9A-Z]{8})\s/.exec(open)?.[1]
      if (url !== undefined && /paste the reply code: ?$/.test(open)) {
        answered = screen.length
        const text = (await options.onUrl(url, open)) ?? ''
        enter(text)
      } else if (answered > 0 && options.onPrompt !== undefined && /: ?$/.test(open) && open.trim() !== '') {
        answered = screen.length
        enter(await options.onPrompt(screen))
      }
      await systemClock.wait(10)
    }
    return {
      exitCode: await exited.promise,
      screen,
      stdout: screen.slice(mark).replaceAll('\r', '').replace(/^\n+/, ''),
      shellMs: enteredAt === null || firstByteAt === null ? null : firstByteAt - enteredAt,
    }
  } finally {
    if (running) pty.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  }

  function enter(text: string): void {
    mark = screen.length
    enteredAt = systemClock.monotonicMs()
    firstByteAt = null
    pty.write(`${text}\r`)
  }
}
