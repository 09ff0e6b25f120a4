import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { spawn, type IPty } from '@lydell/node-pty'
import { until } from './stand.ts'

/** A stock `ssh` in a terminal of 80 columns. */
export class Terminal {
  static readonly #open = new Set<Terminal>()
  readonly #ssh: IPty
  #shown = ''
  /** Called whenever something more was shown. */
  onShown: (() => void) | undefined
  #read = 0
  #exitCode: number | undefined

  /** Connects as `user` (default `owner`); `args` stand before the destination, `command` after it. */
  constructor(port: number, options: { user?: string; args?: readonly string[]; command?: readonly string[] } = {}) {
    const always = [
      'UserKnownHostsFile=/dev/null',
      'StrictHostKeyChecking=no',
      'LogLevel=INFO',
      'IdentityAgent=none',
      'IdentitiesOnly=yes',
    ]
    this.#ssh = spawn(
      'ssh',
      [
        '-F',
        'none',
        '-p',
        String(port),
        ...always.flatMap((o) => ['-o', o]),
        ...(options.args ?? ['-o', 'PubkeyAuthentication=no']),
        `${options.user ?? 'owner'}@127.0.0.1`,
        ...(options.command ?? []),
      ],
      {
        cols: 80,
        rows: 24,
        env: { PATH: process.env['PATH'] ?? '', TERM: 'dumb', LC_ALL: 'C.UTF-8' },
      },
    )
    this.#ssh.onData((data) => {
      this.#shown += data
      this.onShown?.()
    })
    Terminal.#open.add(this)
    this.#ssh.onExit(({ exitCode, signal }) => {
      this.#exitCode = signal === undefined || signal === 0 ? exitCode : 128 + signal
      Terminal.#open.delete(this)
    })
  }

  /** All that was shown so far. */
  get shown(): string {
    return this.#shown.replaceAll('\r', '')
  }

  /** Waits until what was shown after the last match holds `text`; answers it up to the end of the match. */
  async expect(text: RegExp, seconds = 60): Promise<string> {
    const rest = () => this.shown.slice(this.#read)
    await until(() => text.test(rest()) || this.#exitCode !== undefined, `${text}`, seconds).catch((error: unknown) => {
      throw new Error(`not shown: ${text}\n${this.shown}`, { cause: error })
    })
    // what was written just before the end may arrive after it
    await until(() => text.test(rest()), `${text} in:\n${this.shown}`, 2).catch(() => {
      throw new Error(`ssh ended without ${text}:\n${this.shown}`)
    })
    const match = text.exec(rest())
    const seen = rest().slice(0, (match?.index ?? 0) + (match?.[0].length ?? 0))
    this.#read += seen.length
    return seen
  }

  /** Waits for the sign-in's prompt. */
  prompt(): Promise<string> {
    return this.expect(/paste the reply code: $/)
  }

  type(text: string): void {
    this.#ssh.write(text)
  }

  /** Resolves with ssh's exit code; 128 + the signal's number if one ended it. */
  async exit(seconds = 60): Promise<number> {
    await until(() => this.#exitCode !== undefined, `the end of ssh:\n${this.shown}`, seconds)
    return this.#exitCode ?? -1
  }

  stop(): void {
    if (this.#exitCode === undefined) this.#ssh.kill('SIGKILL')
  }

  /** Stops what failed tests of this process have left: a stand waits for what is connected to it. */
  static stopAll(): void {
    for (const terminal of Terminal.#open) terminal.stop()
  }
}

/** A way to sshd that tells when sshd has closed it: the client, deaf while it reads its keyboard, does not. */
export async function relay(
  port: number,
  localAddress = '127.0.0.1',
): Promise<{ port: number; closedBySshd: Promise<void>; stop(): void }> {
  const closed = Promise.withResolvers<void>()
  const server = createServer((client) => {
    const sshd = connect({ host: '127.0.0.1', port, localAddress })
    client.on('error', () => sshd.destroy())
    sshd.on('error', () => client.destroy())
    sshd.on('end', () => closed.resolve())
    client.pipe(sshd).pipe(client)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    closedBySshd: closed.promise,
    stop: () => void server.close(),
  }
}
