import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import getPort from 'get-port'
import { until } from '@freehold/appliance/dev/supervisor'
import { obtainFromOwnAuthority } from '@freehold/appliance/setup/tls/own-authority'

/** A real ACME authority (Let's Encrypt's own `pebble`) and the DNS that it asks; all names lead to this machine. */
export interface AcmeStand {
  directory: string
  /** PEM of what vouches for the directory itself. */
  authorityFile: string
  /** It proves names by asking this port of theirs. */
  httpPort: number
  lines: string[]
  /** How many certificates it has issued. */
  issued(): number
  /** The authority goes away, and comes back with all its memory gone, as pebble does. */
  kill(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

/** Starts it on free ports of loopback, with files below `folder`. @param nameServer `address:port` to ask in place of the stand's own. */
export async function startAcmeStand(folder: string, nameServer?: string): Promise<AcmeStand> {
  await mkdir(folder, { recursive: true })
  const [port, management, httpPort, tlsPort, dns, dnsManagement] = await Promise.all(
    Array.from({ length: 6 }, () => getPort({ host: '127.0.0.1' })),
  )
  const authorityFile = join(folder, 'authority.pem')
  const own = await obtainFromOwnAuthority({ root: authorityFile, key: join(folder, 'authority.key') }, ['localhost'], new Date())
  await writeFile(join(folder, 'pebble.pem'), own.certificate)
  await writeFile(join(folder, 'pebble.key'), own.key, { mode: 0o600 })
  const config = join(folder, 'pebble.json')
  const pebble = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate: join(folder, 'pebble.pem'),
    privateKey: join(folder, 'pebble.key'),
    httpPort,
    tlsPort,
    domainBlocklist: ['blocked-domain.example'],
  }
  await writeFile(config, JSON.stringify({ pebble }))
  const lines: string[] = []
  const running = new Set<ChildProcess>()
  let authority: ChildProcess

  function run(program: string, args: string[], env: Record<string, string> = {}): ChildProcess {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', (line) => lines.push(line))
    running.add(child)
    child.once('error', (error) => lines.push(String(error)))
    child.once('exit', () => running.delete(child))
    return child
  }
  async function end(child: ChildProcess): Promise<void> {
    if (!running.has(child)) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  const answers = (): Promise<boolean> => {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    // whether it is up at all: who it is, the daemon checks
    const asked = request({ host: '127.0.0.1', port, path: '/dir', rejectUnauthorized: false, timeout: 2000 }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    asked.once('error', () => resolve(false))
    asked.once('timeout', () => asked.destroy())
    asked.end()
    return promise
  }
  async function start(): Promise<void> {
    // a random share of good nonces is refused, as RFC 8555 allows: the client has to try again
    const env = { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '20' }
    authority = run('pebble', ['-config', config, '-dnsserver', nameServer ?? `127.0.0.1:${dns}`], env)
    await until('the ACME authority', 60, async () => {
      if (!running.has(authority)) throw new Error(`pebble ended:\n${lines.slice(-20).join('\n')}`)
      return await answers()
    })
  }

  const off = ['-http01', '', '-https01', '', '-tlsalpn01', '', '-doh', '']
  const names = ['-defaultIPv4', '127.0.0.1', '-defaultIPv6', '']
  const dnsServer = run('pebble-challtestsrv', [
    ...off.slice(0, 6),
    ...names,
    '-dns01',
    `127.0.0.1:${dns}`,
    '-management',
    `127.0.0.1:${dnsManagement}`,
  ])
  await start()
  if (!running.has(dnsServer)) throw new Error(`the DNS stand ended:\n${lines.slice(-20).join('\n')}`)
  return {
    directory: `https://localhost:${port}/dir`,
    authorityFile,
    httpPort: httpPort ?? 0,
    lines,
    issued: () => lines.filter((line) => /Issued certificate serial/.test(line)).length,
    kill: () => end(authority),
    start,
    async stop() {
      await Promise.all([...running].map(end))
    },
  }
}
