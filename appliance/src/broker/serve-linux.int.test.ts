import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { generateKeyPair } from 'wireguard-ts/key'
import { systemClock } from '../clock/clock.ts'
import { Book } from './book.ts'
import { parsePool } from './leases/pool.ts'
import { defaultTerms } from './leases/terms.ts'
import { BrokerDatabase } from './store/database.ts'
import { testBook } from './test-broker.ts'

const run = promisify(execFile)
const space = `fhbs${process.pid}`
const wg = `wgs${process.pid % 100_000}`
const leases = 20

/** The whole process over the real network of a namespace of its own: needs root. */
describe('freehold-broker over a real network', { timeout: 600_000 }, () => {
  let folder: string
  let file: string
  let child: ChildProcess | undefined
  const inside = async (program: string, ...args: string[]): Promise<string> =>
    (await run('ip', ['netns', 'exec', space, program, ...args], { timeout: 30_000 })).stdout
  const broker = (...args: string[]): Promise<string> =>
    inside(process.execPath, join(import.meta.dirname, 'cli/main.ts'), '-c', file, ...args)
  const peers = async (): Promise<number> => (await inside('wg', 'show', wg, 'peers')).split('\n').filter(Boolean).length

  /** Ends every process of the namespace, the userspace WireGuard too: what a power cut leaves. */
  async function killAll(): Promise<void> {
    const { stdout } = await run('ip', ['netns', 'pids', space], { timeout: 10_000 })
    for (const pid of stdout.split('\n').filter(Boolean)) process.kill(Number(pid), 'SIGKILL')
    const deadline = performance.now() + 60_000
    while ((await run('ip', ['netns', 'pids', space], { timeout: 10_000 })).stdout.trim() !== '') {
      assert.ok(performance.now() < deadline, 'processes stay')
      await systemClock.wait(25)
    }
  }
  async function serve(): Promise<void> {
    child = spawn(
      'ip',
      ['netns', 'exec', space, process.execPath, join(import.meta.dirname, 'cli/main.ts'), '-c', file, 'serve'],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => reject(new Error('not serving within 30 s')), 30_000)
    child.stdout?.on('data', (text: Buffer) => {
      if (text.toString().includes('"msg":"serving"')) resolve()
    })
    await promise.finally(() => clearTimeout(timer))
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'broker-linux-'))
    file = join(folder, 'broker.yaml')
    await run('ip', ['netns', 'add', space], { timeout: 10_000 })
    await inside('ip', 'link', 'set', 'lo', 'up')
    const config = {
      region: 'test-1',
      network: { mode: 'routed', pool: '2a00:db8:b00::/48', uplink: 'lo', endpoint: '8.8.8.8:51820', interface: wg },
      // nobody there: what was given stands without the chain
      chain: {
        chainId: 31_337,
        rpcUrls: ['http://127.0.0.1:1234'],
        registry: '0x0000000000000000000000000000000000000001',
        brokerId: 0,
      },
      stateFolder: join(folder, 'state'),
      secretsFolder: join(folder, 'secrets'),
      runFolder: join(folder, 'run'),
    }
    await writeFile(file, JSON.stringify(config))
    await mkdir(join(folder, 'state'))
    const db = new BrokerDatabase(join(folder, 'state/broker.db'))
    const book = new Book({
      db,
      pool: parsePool(config.network.pool, 'routed'),
      terms: defaultTerms,
      random: (below) => BigInt(`0x${Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('hex')}`) % below,
      randomBytes: () => crypto.getRandomValues(new Uint8Array(8)),
    })
    const t = testBook()
    for (let i = 0; i < leases; i += 1) {
      book.handle(t.ask(`real-${i}`, { wireguardKey: generateKeyPair().publicKey, presharedKey: i % 2 === 0 }), systemClock.now())
    }
    t.close()
    db.close()
  })
  after(async () => {
    await killAll()
    await run('ip', ['netns', 'del', space], { timeout: 10_000 })
    await rm(folder, { recursive: true })
  })

  it('a dry run prints nft, ip and UAPI, tells no secret, touches nothing', async () => {
    const text = await broker('serve', '--dry-run')
    assert.match(text, /table inet freehold_broker/)
    assert.match(text, /ip -6 route replace unreachable 2a00:db8:b00::\/48/)
    assert.equal([...text.matchAll(/public_key=/g)].length, leases)
    assert.doesNotMatch(text, /preshared_key=[0-9a-f]{64}/)
    assert.doesNotMatch(await inside('ip', '-br', 'link'), new RegExp(wg))
    assert.equal((await inside('nft', 'list', 'tables')).trim(), '')
  })

  it('started, everything of the store stands, though the chain does not answer', async () => {
    await serve()
    assert.equal(await peers(), leases)
    assert.match(await broker('status'), /serving: true/)
    assert.match(await broker('plan'), /Nothing: the network is as the leases say/)
  })

  it('killed alone: the interface goes on; started again: the same one, nothing is set anew', async () => {
    const index = (await inside('cat', `/sys/class/net/${wg}/ifindex`)).trim()
    const brokers = (await run('ip', ['netns', 'pids', space], { timeout: 10_000 })).stdout
      .split('\n')
      .filter(Boolean)
      .map(Number)
    for (const pid of brokers) if (/node/.test(readlinkSync(`/proc/${pid}/exe`))) process.kill(pid, 'SIGKILL')
    assert.equal(await peers(), leases, 'packets need no broker')
    await serve()
    assert.equal((await inside('cat', `/sys/class/net/${wg}/ifindex`)).trim(), index)
    assert.match(await broker('plan'), /Nothing/)
  })

  it('N3 all run-time state gone, as after a reboot: started, all of it stands again', async () => {
    await killAll()
    await inside('nft', 'flush', 'ruleset')
    assert.doesNotMatch(await inside('ip', '-br', 'link'), new RegExp(wg))
    await serve()
    assert.equal(await peers(), leases)
    assert.match(await broker('plan'), /Nothing/)
    assert.ok((await readdir(join(folder, 'secrets'))).includes('wireguard-key'))
  })

  // a start of the machine promises no order: the firewall's own service empties the ruleset when it comes, a line may be late
  for (const order of [
    ['firewall', 'line', 'broker'],
    ['broker', 'line', 'firewall'],
    ['line', 'broker', 'firewall'],
  ]) {
    it(`N3 after a reboot in the order ${order.join(', ')}: all of it stands in the end`, async () => {
      await killAll()
      await inside('nft', 'flush', 'ruleset')
      await inside('ip', 'link', 'set', 'lo', 'down')
      const parts: Record<string, () => Promise<unknown>> = {
        firewall: () => inside('nft', 'flush ruleset; add table inet theirs'),
        line: () => inside('ip', 'link', 'set', 'lo', 'up'),
        broker: serve,
      }
      for (const part of order) await parts[part]?.()
      const deadline = performance.now() + 120_000
      while (!/Nothing: the network is as the leases say/.test(await broker('plan'))) {
        assert.ok(performance.now() < deadline, await broker('plan'))
        await systemClock.wait(250)
      }
      assert.equal(await peers(), leases)
      const tables = await inside('nft', 'list', 'tables')
      assert.match(tables, /freehold_broker/)
      assert.match(tables, /theirs/, 'what others set up is left alone')
    })
  }
})
