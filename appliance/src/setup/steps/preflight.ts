import { execFile } from 'node:child_process'
import { mkdir, statfs } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { promisify } from 'node:util'
import { AppError } from '../../errors/app-error.ts'
import type { Step } from '../../steps/step.ts'
import type { SetupContext } from '../context.ts'

const run = promisify(execFile)

/** Free bytes below which nothing is begun: room for a template and one small disk. */
const neededBytes = 4 * 2 ** 30

async function programIsThere(name: string, args: readonly string[]): Promise<boolean> {
  try {
    await run(name, args, { timeout: 20_000 })
    return true
  } catch {
    return false
  }
}

type PortState = 'free' | 'taken' | 'absent' | 'refused'

/** Resolves if `address:port` can be listened on, or if something of ours may already answer there (`taken`). */
function portState(host: string, port: number): Promise<PortState> {
  const { promise, resolve } = Promise.withResolvers<PortState>()
  const server = createServer()
  server.once('error', ({ code }: NodeJS.ErrnoException) =>
    resolve(code === 'EADDRINUSE' ? 'taken' : code === 'EADDRNOTAVAIL' ? 'absent' : 'refused'),
  )
  server.listen(port, host, () => server.close(() => resolve('free')))
  return promise
}

/** True if something answers at a TCP address. */
export function answers(host: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect({ host, port, timeout: 2000 })
  socket.once('connect', () => (socket.destroy(), resolve(true)))
  socket.once('error', () => resolve(false))
  socket.once('timeout', () => (socket.destroy(), resolve(false)))
  return promise
}

/** Programs, room and ports, before anything is changed. Always asked again: the world may have changed. */
export const preflight: Step<SetupContext> = {
  name: 'preflight',
  estimateSeconds: 2,
  check: async () => false,
  async run({ answers: config, stateFolder, ownLoginPort }, io) {
    const programs: [string, string[]][] = [['ssh-keygen', ['-Q', 'key']]]
    if (config.hypervisor.kind === 'libvirt') {
      programs.push(
        ['virsh', ['--version']],
        ['qemu-img', ['--version']],
        ['qemu-system-x86_64', ['--version']],
        ['xorriso', ['-version']],
      )
    }
    for (const [name, args] of programs) {
      io.progress(name)
      // ssh-keygen has no harmless verb that succeeds everywhere: only its absence counts
      if (!(await programIsThere(name, args)) && name !== 'ssh-keygen') {
        throw new AppError({
          code: 'tool-missing',
          detail: `The program ${name} does not run.`,
          hint: `Install the Debian package that has ${name}, then try again.`,
        })
      }
    }
    await mkdir(stateFolder, { recursive: true })
    const disk = await statfs(stateFolder)
    if (disk.bavail * disk.bsize < neededBytes) {
      throw new AppError({
        code: 'storage-full',
        detail: `Only ${Math.floor((disk.bavail * disk.bsize) / 2 ** 20)} MiB are free where state is kept; 4 GiB are needed.`,
      })
    }
    const [host = '127.0.0.1', port = '7443'] = config.listen.login.split(/:(?=[0-9]+$)/)
    const state = ownLoginPort ? 'free' : await portState(host.replace(/^\[|\]$/g, ''), Number(port))
    if (state === 'taken') {
      throw new AppError({
        code: 'port-in-use',
        detail: `Another program listens on ${config.listen.login}, where guests log in.`,
        hint: 'Stop it, or set listen.login to another port.',
      })
    }
    // the root helper makes the guests' bridge with the first set of taps
    const { hypervisor, mode, network } = config
    const comes = mode === 'installed' && hypervisor.kind === 'libvirt' && host === network.ipv4.gateway
    if (state === 'refused' || (state === 'absent' && !comes)) {
      throw new AppError({
        code: 'no-permission',
        detail: `${config.listen.login} may not be listened on by this user.`,
        hint: 'Choose a port above 1023 on an address of this host.',
      })
    }
    io.log('programs, room and ports are there')
  },
}
