import { spawn, type ChildProcess } from 'node:child_process'
import { parseInterfaceName } from './config.ts'
import { WireGuardError } from './errors.ts'
import { UapiDevice, uapiFolder } from './uapi-device.ts'

export interface DaemonOptions {
  /** The program. Default `wireguard-go`. */
  program?: string
  /** Network namespace (`ip netns`). Names of interfaces must differ over all of them: the sockets share one folder. */
  namespace?: string
  folder?: string
  timeoutMs?: number
}

/** A userspace daemon of ours in the foreground: one interface, one process. */
export interface UserspaceDaemon {
  readonly device: UapiDevice
  readonly pid: number
  /** Resolves with the reason when the process is gone. */
  readonly ended: Promise<string>
  /** Ends it and waits until it has gone; the interface goes with it. */
  stop(): Promise<void>
  /** As a crash would. For tests of what comes back by itself. */
  kill(): Promise<void>
}

/**
 * Starts the daemon of an interface and waits until it answers. If another daemon answers already, that one is left alone and
 * `daemon-failed` is thrown: an interface is never taken down to be made again. Throws `daemon-missing`, `timed-out`.
 */
export async function startUserspaceDaemon(name: string, options: DaemonOptions = {}): Promise<UserspaceDaemon> {
  const iface = parseInterfaceName(name)
  const device = new UapiDevice(iface, { ...(options.folder !== undefined && { folder: options.folder }) })
  if (await device.alive()) {
    device.close()
    throw new WireGuardError('daemon-failed', `a daemon of ${iface} runs already`, 'Use the interface as it stands.')
  }
  const program = options.program ?? 'wireguard-go'
  const args = [program, '--foreground', iface]
  const [file = program, ...rest] = options.namespace === undefined ? args : ['ip', 'netns', 'exec', options.namespace, ...args]
  const child = spawn(file, rest, { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env['PATH'], LOG_LEVEL: 'error' } })
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (words = (words + text).slice(-1000)))
  const ended = endOf(child, () => words)
  try {
    await answers(device, ended, options.timeoutMs ?? 10_000)
  } catch (error) {
    child.kill('SIGKILL')
    await ended
    throw error
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    device.close()
    child.kill(signal)
    await ended
  }
  return { device, pid: child.pid ?? 0, ended, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') }
}

async function answers(device: UapiDevice, ended: Promise<string>, timeoutMs: number): Promise<void> {
  let over: string | undefined
  void ended.then((why) => (over = why))
  const limit = performance.now() + timeoutMs
  while (!(await device.alive())) {
    if (over !== undefined)
      throw new WireGuardError('daemon-failed', `the daemon ended: ${over}`, `Look into ${uapiFolder} and at /dev/net/tun.`)
    if (performance.now() > limit)
      throw new WireGuardError('timed-out', 'the daemon does not answer', 'Look at the load of the machine.')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

function endOf(child: ChildProcess, words: () => string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  child.once('error', (error) =>
    resolve((error as NodeJS.ErrnoException).code === 'ENOENT' ? 'the program is not installed' : error.message),
  )
  child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}: ${words().trim()}`))
  return promise
}
