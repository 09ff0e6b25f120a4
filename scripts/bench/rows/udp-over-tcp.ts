import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import getPort from 'get-port'
import { AppError } from '@freehold/appliance/errors/app-error'
import { row, type Bench } from '../row.ts'

const relay = resolve(import.meta.dirname, '../wireguard/udp-over-tcp-process.ts')
const flood = resolve(import.meta.dirname, '../wireguard/flood.py')

/** Datagrams of a tunnel's size through ours and through Debian's `udptunnel`, turn by turn; both ends the same kind. */
export const udpOverTcp: Bench = {
  id: 'udp-over-tcp',
  about: 'datagrams of 1,420 bytes through udp-over-tcp, against udptunnel, both ends each',
  slow: true,
  async run(report) {
    const [ours, theirs]: [number[], number[]] = [[], []]
    for (let turn = 0; turn < 3; turn += 1) {
      ours.push(await measure('ours'))
      theirs.push(await measure('udptunnel'))
      report(`ours ${ours.at(-1)} Mbit/s, udptunnel ${theirs.at(-1)} Mbit/s`)
    }
    return [row('udptunnel against udp-over-tcp', Math.max(...theirs) / Math.max(...ours), 'times', 1 / 0.8)]
  },
}

/** Mbit/s that arrived, best of what was offered. */
async function measure(kind: 'ours' | 'udptunnel'): Promise<number> {
  const [tcp, near] = [await getPort({ host: '127.0.0.1' }), await getPort({ host: '127.0.0.1' })]
  const children: ChildProcess[] = []
  const start = (program: string, ...args: string[]): ChildProcess => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] })
    children.push(child)
    return child
  }
  try {
    // its client hears the one address that it is given, from the port that it has itself
    const source = kind === 'ours' ? ['127.0.0.1', '0'] : ['127.0.0.3', String(near)]
    // udptunnel's server sends to the same port of the address that it is given
    const target = ['127.0.0.2', String(near + 1)] as const
    if (kind === 'ours') {
      await ready(start(process.execPath, relay, 'server', String(tcp), ...target))
      await ready(start(process.execPath, relay, 'client', String(tcp), '127.0.0.1', String(near)))
    } else {
      start('udptunnel', '-s', String(tcp), `${target[0]}/${target[1]}`)
      await listening(tcp)
      start('udptunnel', '-c', `127.0.0.1/${tcp}`, `127.0.0.3/${near}`)
    }
    const measured = start('/usr/bin/python3', flood, target[0], target[1], '127.0.0.1', String(near), '2', ...source)
    let text = ''
    measured.stdout?.on('data', (part: Buffer) => (text += part.toString()))
    await once(measured, 'exit', { signal: AbortSignal.timeout(30_000) })
    if (!(Number(text) > 0)) throw new AppError({ code: 'process-failed', detail: `Nothing came through ${kind}.` })
    return Number(text)
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}

async function ready(child: ChildProcess): Promise<void> {
  if (child.stdout !== null) await once(child.stdout, 'data', { signal: AbortSignal.timeout(10_000) })
}

async function listening(port: number): Promise<void> {
  const { systemClock } = await import('@freehold/appliance/clock/clock')
  const { readFile } = await import('node:fs/promises')
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  for (let n = 0; n < 200; n += 1) {
    const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8')))
    if (tables.some((text) => new RegExp(`:${hex} \\S+ 0A `).test(text))) return
    await systemClock.wait(25)
  }
  throw new AppError({ code: 'timed-out', detail: 'udptunnel did not listen.' })
}
