import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type NetConnectOpts } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import getPort from 'get-port'
import { ended, until } from './stand.ts'

/** What came of a try at a door: `reached` is true only if bytes went through it. */
export interface Tried {
  reached: boolean
  /** All that ssh said, on both streams. */
  shown: string
  /** Null if it was still connected when the try was over, and was ended by us. */
  code: number | null
}

/** A way to use a login: a command, a subsystem, a kind of channel. */
export type Door = (port: number, login: readonly string[]) => Promise<Tried>

const always = [
  ['-F', 'none'],
  ['-o', 'BatchMode=yes'],
  ['-o', 'StrictHostKeyChecking=no'],
  ['-o', 'UserKnownHostsFile=/dev/null'],
  ['-o', 'IdentityAgent=none'],
  ['-o', 'IdentitiesOnly=yes'],
  ['-o', 'PreferredAuthentications=publickey'],
  ['-o', 'ExitOnForwardFailure=yes'],
].flat()
const there = 'owner@127.0.0.1'
const word = 'went-through'

/**
 * Every kind of channel that sshd knows and that the guest allows to somebody who is in. `login` are arguments of ssh that name
 * key and certificate; nobody is asked anything. A try takes at most 20 s.
 */
export const doors: Record<string, Door> = {
  'a command': (port, login) => plain('ssh', ['-p', String(port), ...login, there, `echo ${word}`]),
  'a terminal': (port, login) => plain('ssh', ['-tt', '-p', String(port), ...login, there, `echo ${word}`]),
  'the sftp subsystem': async (port, login) => {
    const folder = await mkdtemp(join(tmpdir(), 'freehold-sftp-'))
    try {
      await writeFile(join(folder, 'batch'), `get /etc/hostname ${join(folder, 'got')}\n`)
      const tried = await plain('sftp', ['-P', String(port), '-b', join(folder, 'batch'), ...login, there])
      const got = await readFile(join(folder, 'got'), 'utf8').catch(() => '')
      return { ...tried, reached: got !== '' }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
  'a direct channel (-W, -J)': (port, login) =>
    withEcho((echo) => plain('ssh', ['-p', String(port), ...login, '-W', `127.0.0.1:${echo}`, there])),
  'a local forwarding (-N -L)': (port, login) =>
    withEcho(async (echo) => {
      const local = await getPort({ host: '127.0.0.1' })
      return await forwarding(['-N', '-L', `127.0.0.1:${local}:127.0.0.1:${echo}`], port, login, { port: local })
    }),
  'a remote forwarding (-N -R)': (port, login) =>
    withEcho(async (echo) => {
      const remote = await getPort({ host: '127.0.0.1' })
      return await forwarding(['-N', '-R', `127.0.0.1:${remote}:127.0.0.1:${echo}`], port, login, { port: remote })
    }),
  'a forwarding to a socket (-N -L)': async (port, login) => {
    const folder = await mkdtemp(join(tmpdir(), 'freehold-socket-'))
    const socket = join(folder, 'local')
    try {
      // the far end is a port that answers, reached through a socket's name: sshd's own
      return await withEcho((echo) => forwarding(['-N', '-L', `${socket}:127.0.0.1:${echo}`], port, login, { path: socket }))
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
  'a dynamic forwarding (-N -D)': (port, login) =>
    withEcho(async (echo) => {
      const local = await getPort({ host: '127.0.0.1' })
      const socks5 = Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, echo >> 8, echo & 255])
      return await forwarding(['-N', '-D', `127.0.0.1:${local}`], port, login, { port: local }, socks5)
    }),
}

async function plain(program: string, args: readonly string[]): Promise<Tried> {
  const child = spawn(program, [...always, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 })
  const shown = listen(child)
  await ended(child)
  return { reached: shown().includes(word), shown: shown(), code: child.exitCode }
}

async function forwarding(
  args: readonly string[],
  port: number,
  login: readonly string[],
  at: NetConnectOpts,
  first?: Buffer,
): Promise<Tried> {
  const child = spawn('ssh', [...always, ...args, '-p', String(port), ...login, there], { stdio: ['ignore', 'pipe', 'pipe'] })
  const shown = listen(child)
  let reached = false
  await until(
    async () => child.exitCode !== null || (reached = (await readAt(at, first)).includes(word)),
    `the end of ${args.join(' ')}`,
  )
  const { exitCode } = child
  child.kill('SIGTERM')
  await ended(child)
  return { reached, shown: shown(), code: exitCode }
}

/** What a connection is given within a second. */
function readAt(at: NetConnectOpts, first?: Buffer): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const socket = connect(at, () => first !== undefined && socket.write(first))
  let text = ''
  const settle = () => {
    socket.destroy()
    resolve(text)
  }
  socket.setTimeout(1000, settle)
  socket.on('data', (data) => {
    text += data.toString('latin1')
    if (text.includes(word)) settle()
  })
  socket.on('error', settle)
  socket.on('close', settle)
  return promise
}

async function withEcho(run: (port: number) => Promise<Tried>): Promise<Tried> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.end(word)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    return await run((server.address() as AddressInfo).port)
  } finally {
    server.close()
  }
}

function listen(child: ChildProcess): () => string {
  let text = ''
  child.stdout?.on('data', (data: Buffer) => (text += data.toString()))
  child.stderr?.on('data', (data: Buffer) => (text += data.toString()))
  return () => text
}
