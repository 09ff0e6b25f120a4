import { randomUUID } from 'node:crypto'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { request as plainRequest, type IncomingMessage } from 'node:http'
import { Agent, request, type RequestOptions } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import { startInstalledWizard } from '../../testing/stands/installed-wizard.ts'
import type { Secret } from './needles.ts'

// setup-once.ts OUT: one whole setup of an installed host from behind TLS, in namespaces of its own (setup.int.test.ts): the code is
// typed, the answers are given, the deployer is paid, the storefront opens, the host ends. OUT gets `capture.pcap`, all that passed
// its two public ports meanwhile, and `secrets.json`, what must be found neither there nor on its disk.

/** Sent in clear on purpose, over the same ports: a look that does not find it finds nothing. */
export const planted = 'planted-in-clear-7f3c91'

class SetupFailed extends Error {}

if (import.meta.main) await main(process.argv[2] ?? '')

async function main(out: string): Promise<void> {
  const host = await startInstalledWizard()
  const agent = new Agent({ rejectUnauthorized: false, keepAlive: false })
  const capture = join(out, 'capture.pcap')
  const ports = `tcp port ${host.httpsPort} or tcp port ${host.acme.httpPort}`
  const dump = spawn('tcpdump', ['-Z', 'root', '-i', 'lo', '-U', '-s', '0', '-w', capture, ports], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const listening = Promise.withResolvers<void>()
  dump.once('error', listening.reject)
  dump.stderr.on('data', (text: Buffer) => text.includes('listening on') && listening.resolve())
  await listening.promise
  let cookie = ''

  async function call(
    method: string,
    path: string,
    body?: unknown,
    name = `127.0.0.1:${host.httpsPort}`,
  ): Promise<{ status: number; text: string }> {
    const options: RequestOptions = {
      agent,
      host: '127.0.0.1',
      port: host.httpsPort,
      servername: 'localhost',
      method,
      path,
      headers: {
        host: name,
        ...(method === 'POST' && { 'idempotency-key': randomUUID() }),
        ...(method !== 'GET' && { 'content-type': 'application/json', origin: `https://${name}` }),
        ...(cookie !== '' && { cookie }),
      },
    }
    const asked = request(options)
    asked.end(body === undefined ? undefined : JSON.stringify(body))
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    const given = answer.headers['set-cookie']?.[0]?.split(';')[0]
    if (given !== undefined && !given.endsWith('=')) cookie = given
    let text = ''
    for await (const part of answer) text += String(part)
    return { status: answer.statusCode ?? 0, text }
  }
  async function must(method: string, path: string, body?: unknown): Promise<string> {
    const { status, text } = await call(method, path, body)
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`)
    return text
  }
  async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const end = performance.now() + 240_000
    for (;;) {
      const found = await look().catch((error: unknown) => {
        if (error instanceof SetupFailed) throw error
        return undefined
      })
      if (found !== undefined) return found
      if (performance.now() > end) throw new Error(`${what}: not within 240 s`)
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
  }

  const code = await host.code()
  // what is looked for later was on the disk once
  execFileSync('sync', [])
  // somebody who begins in clear is led away and has told nothing
  const clear = plainRequest({ host: '127.0.0.1', port: host.acme.httpPort, path: '/setup' })
  clear.end()
  const [redirect] = (await once(clear, 'response')) as [IncomingMessage]
  redirect.resume()
  if (redirect.statusCode !== 308) throw new Error(`port 80 answers ${redirect.statusCode}`)
  await must('POST', '/v1/setup/entry', { code })
  if (cookie === '') throw new Error('no session was given')
  const origin = `https://shop.example:${host.httpsPort}`
  const [owner, treasury] = ['0x70997970C51812dc3A010C7d01b50e0d17dc79C8', '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC']
  const plan = { name: 'Small', vcpus: 1, memoryMiB: 512, diskGiB: 4, graceDays: 7, capacity: 4, prices: { native: '1000' } }
  const answers: Record<string, unknown> = {
    uplink: { uplink: null },
    address: { origin },
    tls: { tls: { kind: 'first-boot' } },
    chain: { chain: { chainId: 31337, rpcUrls: [host.chain.url], confirmations: 1 }, publicChain: true },
    people: { roles: { owner, treasury }, deployment: 'key' },
    hypervisor: { hypervisor: { kind: 'fake', createSeconds: 0 } },
    network: { network: {} },
    template: { template: {} },
    plans: { plans: [plan] },
    backup: { backup: {} },
  }
  for (const [name, value] of Object.entries(answers)) await must('PUT', `/v1/setup/answers/${name}`, { revision: 0, value })
  host.announced()
  await must('POST', '/v1/setup/run', {})
  const wizard = async (): Promise<string> => {
    const { text } = await call('GET', '/v1/setup/wizard')
    if (text.includes('"state":"failed"')) throw new SetupFailed(text)
    return text
  }
  const address = await until(
    'the deployer waits for funds',
    async () => /waiting for [\d.]+ at (0x[0-9a-fA-F]{40})/.exec(await wizard())?.[1],
  )
  const key = (name: string): Promise<string> =>
    readFile(join(host.stateFolder, 'secrets', name), 'utf8').then((text) => text.trim())
  const secrets: Secret[] = [
    { name: 'code', value: code },
    // typed once, it gave way to this one
    { name: 'second code', value: await host.code() },
    { name: 'session cookie', value: cookie.split('=')[1] ?? '' },
    { name: 'deployer key', value: await key('deployer.key') },
    { name: 'provisioner key', value: await key('provisioner.key') },
  ]
  await writeFile(join(out, 'secrets.json'), JSON.stringify(secrets), { mode: 0o600 })
  execFileSync('sync', [])
  await host.chain.rpc('anvil_setBalance', address, '0xde0b6b3a7640000')
  await until('the storefront', async () => {
    const { status, text } = await call('GET', '/v1/status', undefined, new URL(origin).host)
    return status === 200 && text.includes('"storefront":"open"') ? true : undefined
  })
  // a browser that mixes up the port: what it says is in clear, and on the same way
  const plain = connect(host.httpsPort, '127.0.0.1')
  plain.end(`GET /?${planted} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
  await once(plain.resume(), 'close')
  await until('the capture', async () => ((await readFile(capture)).includes(planted) ? (await stat(capture)).size : undefined))
  dump.kill('SIGINT')
  await once(dump, 'exit')
  await host.stop()
}
