import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import getPort from 'get-port'
import { statusSchema } from '@freehold/appliance/api/schemas/status'
import { createChainReader } from '@freehold/appliance/chain/chain-reader'
import { loadOrCreateKey } from '@freehold/appliance/chain/provisioner-key'
import { RpcClient } from '@freehold/appliance/chain/rpc'
import type { Subscription } from '@freehold/appliance/chain/subscription'
import { startTestChain, type TestChain } from '@freehold/appliance/chain/test-chain'
import { createClient, type ApiClient } from '@freehold/appliance/cli/client'
import { MovableClock, systemClock } from '@freehold/appliance/clock/clock'
import { checkout } from '@freehold/appliance/dev/builds'
import { daemonMalloc, daemonNodeOptions } from '@freehold/appliance/dev/daemon-limits'
import { AppError } from '@freehold/appliance/errors/app-error'
import { openStore } from '@freehold/appliance/store/store'
import type { z } from 'zod'
import { activateMany, madeUpSha256, sellMany, writeFakeWorld } from './ten-thousand.ts'

/** A host with 10,000 active subscriptions of one holder, each with its VM: a real node, the daemon as it is packaged. */
export interface LargeHost {
  chain: TestChain
  pid: number
  /** Speaks to the daemon's own socket, as its front would from the loopback. */
  client: ApiClient
  status: z.output<typeof statusSchema>
  stop(): Promise<void>
}

/** Sells, writes books and world, starts the daemon. The holder is the node's second account. About a minute. */
export async function openLargeHost(report: (line: string) => void): Promise<LargeHost> {
  const folder = await mkdtemp('/tmp/fh-')
  await mkdir(join(folder, 'secrets'), { mode: 0o700 })
  const key = await loadOrCreateKey(join(folder, 'secrets/provisioner.key'))
  const chain = await startTestChain(key.address)
  let daemon: ReturnType<typeof startDaemon> | undefined
  async function stop(): Promise<void> {
    daemon?.kill('SIGTERM')
    await daemon?.ended
    await chain.close()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await sellMany(chain, report)
    await activateMany(chain, key.address, report)
    const clock = new MovableClock()
    const clients = [new RpcClient({ url: chain.url, timeoutMs: 60_000 })]
    const reader = createChainReader({ clients, chainId: 31337, contract: chain.contract, confirmations: 1, clock })
    const { subscriptions } = await reader.snapshot('latest')
    writeFakeWorld(folder, subscriptions.values())
    await fillBooks(folder, [...subscriptions.values()])
    await writeFile(join(folder, 'freehold.yaml'), answers(chain.url, chain.contract, await getPort({ host: '127.0.0.1' })))
    daemon = startDaemon(folder)
    const client = fromLoopback(createClient({ socket: join(folder, 'run/api.sock') }))
    const status = await opened(client)
    report('the daemon is open')
    return { chain, pid: daemon.pid ?? 0, client, status, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** What Caddy adds to each request. */
function fromLoopback(client: ApiClient): ApiClient {
  return {
    ...client,
    call: (schema, method, path, options = {}) =>
      client.call(schema, method, path, { ...options, headers: { ...options.headers, 'x-forwarded-for': '127.0.0.1' } }),
  }
}

function answers(rpcUrl: string, contract: string, loginPort: number): string {
  const anyone = `0x${'22'.repeat(20)}`
  return JSON.stringify({
    version: 1,
    mode: 'embedded',
    origin: 'http://localhost',
    listen: { login: `127.0.0.1:${loginPort}` },
    chain: { chainId: 31337, rpcUrls: [rpcUrl], confirmations: 1 },
    contracts: [{ address: contract }],
    roles: { owner: anyone, treasury: anyone },
    plans: [{ name: 'small', vcpus: 1, memoryMiB: 512, diskGiB: 4, graceDays: 1, capacity: 1, prices: { native: '1' } }],
    hypervisor: { kind: 'fake' },
    template: { sha256: madeUpSha256 },
  })
}

/** As a daemon that made all these VMs has them; by SQL, as 10,000 durable writes are minutes. */
async function fillBooks(folder: string, subscriptions: readonly Subscription[]): Promise<void> {
  const file = join(folder, 'freehold.db')
  const [first] = subscriptions
  if (first === undefined) throw new AppError({ code: 'internal', detail: 'Nothing was sold.' })
  const store = await openStore(file, { clock: new MovableClock() })
  const now = systemClock.now()
  await store.vms.put({
    installation: first.installation,
    tokenId: first.tokenId,
    generation: 1,
    planId: first.planId,
    vcpus: 1,
    memoryMiB: 512,
    diskGiB: 4,
    addresses: { ipv4: null, ipv6: null, sshPort: 20_000 },
    mac: '02:00:00:00:00:00',
    template: madeUpSha256,
    origin: { buyer: first.buyer, boughtBlock: first.boughtBlock },
    hostKey: { fingerprint: 'SHA256:1', publicKey: 'ssh-ed25519 AAAA' },
    secretUsedAt: now,
    reportedAt: now,
    activateIntentAt: now,
    activatedSeenAt: now,
    graceOverSeenSince: null,
    destroyedAt: null,
    createdAt: now,
  })
  await store.close()
  const db = new DatabaseSync(file)
  const columns = db.prepare('SELECT * FROM vms').get() ?? {}
  const names = Object.keys(columns)
  const insert = db.prepare(
    `INSERT OR REPLACE INTO vms (${names.map((n) => `"${n}"`).join()}) VALUES (${names.map((n) => `:${n}`).join()})`,
  )
  db.exec('BEGIN')
  for (const [i, { tokenId, boughtBlock }] of subscriptions.entries()) {
    insert.run({ ...columns, tokenId: String(tokenId), boughtBlock, sshPort: 20_000 + i })
  }
  db.exec('COMMIT')
  db.close()
}

function startDaemon(folder: string) {
  const child = spawn(process.execPath, [join(checkout, 'appliance/src/freeholdd.ts'), '--state', folder], {
    stdio: ['ignore', 'ignore', 'inherit'],
    // as its unit has it
    env: {
      ...process.env,
      FREEHOLD_LOG: 'error',
      ...daemonMalloc,
      NODE_OPTIONS: daemonNodeOptions.join(' '),
      NODE_COMPILE_CACHE: join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'freehold/node'),
    },
  })
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  child.once('exit', () => resolve())
  return Object.assign(child, { ended })
}

async function opened(client: ApiClient): Promise<z.output<typeof statusSchema>> {
  const end = systemClock.monotonicMs() + 120_000
  for (;;) {
    const status = await client.call(statusSchema, 'GET', '/v1/status').catch(() => undefined)
    if (status?.storefront === 'open') return status
    if (systemClock.monotonicMs() > end) throw new AppError({ code: 'timed-out', detail: 'The daemon did not open.' })
    await systemClock.wait(200)
  }
}
