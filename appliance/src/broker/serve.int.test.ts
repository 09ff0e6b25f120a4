import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import getPort from 'get-port'
import { Wallet } from 'ethers'
import { generateKeyPair } from 'wireguard-ts/key'
import { systemClock } from '../clock/clock.ts'
import { askBroker } from './cli/client.ts'
import { requestText, type BrokerRequest } from './requests/request.ts'
import type { Answer } from './requests/answer.ts'
import { startTestRegistry, type TestRegistry } from './test-registry.ts'

interface Line {
  applied?: string[]
  serving?: boolean
}

describe('freehold-broker as a process', { timeout: 600_000 }, () => {
  let t: TestRegistry
  let folder: string
  let file: string
  let http: number
  let pagePort: number
  let child: ChildProcess | undefined
  let lines: Line[] = []
  let wireguardKey = ''

  async function cli(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        [join(import.meta.dirname, 'cli/main.ts'), '-c', file, ...args],
        { timeout: 30_000 },
        (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
      )
    })
  }
  const ask = (method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown) =>
    askBroker(join(folder, 'run/admin.sock'), method, path, body)
  async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 60_000
    while (!(await holds())) {
      assert.ok(performance.now() < deadline, `not within a minute: ${what}`)
      await systemClock.wait(25)
    }
  }
  async function start(): Promise<void> {
    lines = []
    const process_ = spawn(process.execPath, [join(import.meta.dirname, 'test-serve-child.ts'), file], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child = process_
    let complaints = ''
    process_.stderr.on('data', (text: Buffer) => (complaints += text.toString()))
    createInterface({ input: process_.stdout }).on('line', (line) => lines.push(JSON.parse(line) as Line))
    await until(`serving ${complaints}`, () => {
      assert.equal(process_.exitCode, null, complaints)
      return lines.some((line) => line.serving === true)
    })
  }
  async function kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const ended = new Promise((resolve) => child?.once('exit', resolve))
    child?.kill(signal)
    await ended
  }
  async function post(fields: Partial<BrokerRequest>): Promise<Answer> {
    const request = t.request({ broker: wireguardKey, sequence: (sequence += 1), ...fields })
    const body = JSON.stringify({ request, signature: await t.provisioner.signMessage(requestText(request)) })
    const answer = await fetch(`http://127.0.0.1:${http}/v1/requests`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    })
    const parsed = (await answer.json()) as { answer: Answer }
    assert.equal(answer.status, 200, JSON.stringify(parsed))
    return parsed.answer
  }
  let sequence = 1000

  before(async () => {
    t = await startTestRegistry()
    await t.list(t.chain.contract, true)
    folder = await mkdtemp(join(tmpdir(), 'broker-serve-'))
    file = join(folder, 'broker.yaml')
    ;[http, pagePort] = [await getPort({ host: '127.0.0.1' }), await getPort({ host: '127.0.0.1' })]
  })
  after(async () => {
    if (child?.exitCode === null && child.signalCode === null) await kill('SIGKILL')
    await t.close()
    await rm(folder, { recursive: true })
  })

  const initArguments = (): string[] =>
    Object.entries({
      '--pool': '2a00:db8:b00::/48',
      '--endpoint': '8.8.8.8:51820',
      '--uplink': 'eth0',
      '--region': 'test-1',
      '--rpc': t.chain.url,
      '--chain-id': '31337',
      '--registry': t.registryAddress,
    }).flat()

  it('says that nothing runs', async () => {
    await writeFile(file, configText())
    const { code, stderr } = await cli('status')
    assert.equal(code, 3)
    assert.match(stderr, /does not answer[^]*systemctl start freehold-broker/)
    await rm(file)
  })

  function configText(): string {
    return JSON.stringify({
      region: 'test-1',
      network: { mode: 'routed', pool: '2001:db8:b00::/48', uplink: 'lo', endpoint: '203.0.113.1:51820' },
      chain: { chainId: 31_337, rpcUrls: [t.chain.url], registry: t.registryAddress, brokerId: 0, confirmations: 1 },
      http: { listen: `127.0.0.1:${http}` },
      page: { listen: `127.0.0.1:${pagePort}` },
      allowDocumentation: true,
      stateFolder: join(folder, 'state'),
      secretsFolder: join(folder, 'secrets'),
      runFolder: join(folder, 'run'),
    })
  }

  it('starts, makes its keys with mode 0600, and never over a configuration that is there', async () => {
    await writeFile(file, configText())
    assert.match((await cli('init', ...initArguments())).stderr, /exists/)
    await start()
    for (const name of await readdir(join(folder, 'secrets'))) {
      assert.equal((await stat(join(folder, 'secrets', name))).mode & 0o777, 0o600, name)
    }
    assert.equal((await stat(join(folder, 'state/broker.db'))).mode & 0o777, 0o600)
    assert.equal((await stat(join(folder, 'run/admin.sock'))).mode & 0o777, 0o600)
    const status = (await (await fetch(`http://127.0.0.1:${http}/v1/status`)).json()) as { broker: { wireguardKey: string } }
    wireguardKey = status.broker.wireguardKey
  })

  it('N3 killed and started: all that was given stands before the first request is answered, and no host asks for it', async () => {
    const { lease } = await post({ wireguardKey: generateKeyPair().publicKey })
    await kill('SIGKILL')
    await start()
    assert.deepEqual(lines.slice(0, 2), [{ applied: [lease.prefix] }, { serving: true }])
    assert.deepEqual((await post({ verb: 'status' })).lease, lease)
  })

  it('killed in the middle of requests, again and again: what was answered is never lost', async () => {
    let last: Answer | undefined
    for (let round = 0; round < 4; round += 1) {
      const key = generateKeyPair().publicKey
      const asked = post({ wireguardKey: key }).then(
        (answer) => {
          last = answer
        },
        // the connection was cut: not answered, nothing promised
        () => undefined,
      )
      await systemClock.wait(round * 15)
      await kill('SIGKILL')
      await asked
      await start()
      const now = await post({ verb: 'status' })
      if (last !== undefined) assert.equal(now.lease.prefix, last.lease.prefix)
      assert.deepEqual(lines[0]?.applied, [now.lease.prefix])
    }
  })

  it('the operator sees, suspends, resumes, sets policy, exports and ends by command', async () => {
    const { leases } = JSON.parse((await cli('--json', 'leases')).stdout) as { leases: { id: string; prefix: string }[] }
    const [lease] = leases
    assert.ok(lease)
    const path = `/v1/leases/${lease.id}`
    assert.match((await cli('suspend', lease.id, '--why', 'spam reported by X')).stdout, /state: suspended/)
    assert.equal((await post({ verb: 'status' })).lease.suspended, 'spam reported by X')
    const twice = await cli('suspend', lease.id, '--why', 'again')
    assert.deepEqual([twice.code, /suspended already/.test(twice.stderr)], [2, true])
    assert.equal((await ask('POST', `${path}/resume`, {}))['state'], 'waiting')
    assert.match((await cli('policy', lease.id, '--close-tcp', '25,6667', '--rate-cap', '1000000')).stdout, /6667/)
    assert.deepEqual((await post({ verb: 'status' })).lease.closed.tcp, [25, 6667])
    assert.match((await cli('plan')).stdout, /Nothing: the network is as the leases say/)
    const address = lease.prefix.replace('::/64', '::5')
    const report = JSON.parse((await cli('export', '--address', address, '--at', String(systemClock.now()))).stdout) as Record<
      string,
      unknown
    >
    assert.equal(report['held'], true)
    assert.equal((report['lease'] as { contract: string }).contract, t.chain.contract)
    // granted, suspended, resumed, ports; and a new key for each request that was answered before a kill
    assert.ok((await cli('export')).stdout.trim().split('\n').length >= 4)
    await assert.rejects(ask('GET', '/v1/held?address=not+one&at=1700000000'), { code: 'bad-input', detail: /no address/ })
    await assert.rejects(ask('POST', `${path}/suspend`, { why: 'a\nb' }), { code: 'bad-input', detail: /one line/ })
    await assert.rejects(ask('POST', `${path}/policy`, { closed: { tcp: [70_000], udp: [] } }), { code: 'bad-input' })
    // more than a limit of nftables holds would be refused there, and nobody's lease would be set any more
    const tooMuch = ask('POST', `${path}/policy`, { rateCapBytesPerSecond: 2 ** 32 })
    await assert.rejects(tooMuch, { code: 'bad-input' })
    assert.equal((await ask('POST', `${path}/ping`, {}))['answered'], false)
    assert.match((await cli('ping', lease.id)).stdout, /answered: false/)
    assert.match((await cli('release', lease.id, '--why', 'abuse')).stdout, /endReason: operator/)
    await assert.rejects(ask('POST', '/v1/admitted', { identity: 'nonsense' }), { code: 'bad-input', detail: /12 hex digits/ })
    await ask('POST', '/v1/admitted', { identity: 'aabbccddeeff', note: 'a friend' })
    assert.deepEqual(await ask('DELETE', '/v1/admitted/aabbccddeeff'), { dismissed: true })
    assert.equal((await ask('GET', '/v1/status'))['serving'], true)
  })

  it('N5 the page asks for its password and says no to other sites; health and metrics are behind the same door', async () => {
    const url = `http://127.0.0.1:${pagePort}`
    for (const path of ['/', '/metrics', '/healthz', '/v1/leases']) assert.equal((await fetch(`${url}${path}`)).status, 401, path)
    const wrong = { authorization: `Basic ${Buffer.from('operator:wrong').toString('base64')}` }
    assert.equal((await fetch(url, { headers: wrong })).status, 401)
    const password = (await readFile(join(folder, 'secrets/page-password'), 'utf8')).trim()
    const authorization = `Basic ${Buffer.from(`operator:${password}`).toString('base64')}`
    assert.equal((await fetch(url, { headers: { authorization, origin: 'https://evil.example' } })).status, 403)
    const page = await (await fetch(url, { headers: { authorization } })).text()
    assert.match(page, /<h1>IPv6 broker<\/h1>[^]*Serving\./)
    assert.match(await (await fetch(`${url}/metrics`, { headers: { authorization } })).text(), /freehold_broker_leases 0\n/)
    assert.equal((await fetch(`${url}/healthz`, { headers: { authorization } })).status, 200)
  })

  it('answers a request of the registry by itself: what it cannot read costs one refusal', async () => {
    const agentKey = (await readFile(join(folder, 'secrets/agent-key'), 'utf8')).trim()
    const agent = new Wallet(agentKey).address
    await t.chain.rpc('anvil_setBalance', agent, `0x${(10n ** 18n).toString(16)}`)
    await t.setAgent(agent)
    // sealed to the key that the registry had before
    const id = await t.askOnChain({}, { value: 0n })
    await until('the refusal', async () => (await t.outcome(id)).outcome === 3)
    assert.equal((await t.outcome(id)).code, 1)
  })
})
