import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import getPort from 'get-port'
import { createApi } from '@freehold/appliance/api/app'
import { newWasmKeySchema, type NewWasmKey } from '@freehold/appliance/api/schemas/wasm'
import { loadOrCreateKey } from '@freehold/appliance/chain/provisioner-key'
import { zeroAddress } from '@freehold/appliance/chain/subscription'
import { day, startTestChain, type TestChain } from '@freehold/appliance/chain/test-chain'
import { createClient, type ApiClient } from '@freehold/appliance/cli/client'
import { signIn } from '@freehold/appliance/cli/session'
import { walletOf } from '@freehold/appliance/cli/wallet'
import { MovableClock } from '@freehold/appliance/clock/clock'
import { parseConfig } from '@freehold/appliance/config/load'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { startPages } from '@freehold/appliance/dev/pages-server'
import { createFakeHypervisor } from '@freehold/appliance/hypervisor/fake/fake-hypervisor'
import { startProduct, type Product } from '@freehold/appliance/product'
import { TaskEvents } from '@freehold/appliance/steps/task-events'
import { openStore, type Store } from '@freehold/appliance/store/store'
import { startWasmDaemon, type WasmDaemon } from '@freehold/appliance/wasm/start-wasmd'
import { wasmConfigSchema } from '@freehold/appliance/wasm/wasm-config'

export const gasPerDay = 20_000n

/** A host that sells WASM: real chain and contract, the daemon's product, freehold-wasmd; only the hypervisor is played. */
export interface WasmHostStand {
  chain: TestChain
  clock: MovableClock
  origin: string
  wasmUrl: string
  product: Product
  store: Store
  /** Lines of the log of both daemons. */
  logged: string[]
  /** Buys the WASM plan with development wallet `index` and waits until it is active. Returns the token id. */
  buy(index: number, seconds?: number): Promise<bigint>
  /** A client with the session of a development wallet. */
  signedIn(index: number): Promise<ApiClient>
  newKey(client: ApiClient, more?: object): Promise<NewWasmKey>
  /** Moves chain and clocks, and mines. */
  pass(seconds: number): Promise<void>
  until(what: string, condition: () => Promise<boolean>): Promise<void>
  stopWasmd(): Promise<void>
  startWasmd(): Promise<void>
  stop(): Promise<void>
}

export const fresh = () => ({ 'idempotency-key': randomBytes(16).toString('hex') })

/** Starts the stand with one plan of kind WASM of `gasPerDay`, plan 1. `pages`: folder of the built pages, to be served as well. */
export async function startWasmHost(
  options: { wasmd?: boolean; executionSeconds?: number; pages?: string } = {},
): Promise<WasmHostStand> {
  const folder = await mkdtemp(join(tmpdir(), 'fh-wasm-host-'))
  // sessions of the command line lie here
  process.env['XDG_STATE_HOME'] = folder
  const key = await loadOrCreateKey(join(folder, 'secrets/provisioner.key'))
  const chain = await startTestChain(key.address)
  const plan = {
    name: 'Functions',
    kind: 1,
    vcpus: 0,
    memoryMiB: 0,
    diskGiB: 0,
    gasPerDay,
    graceSeconds: day,
    activationDeadlineSeconds: 3600,
    minSeconds: 3600,
    maxSeconds: 90 * day,
    capacity: 100,
    open: true,
  }
  await chain.send(chain.owner, 'addPlan', [{ plan, prices: [{ token: zeroAddress, perDay: 10n ** 15n }] }])
  const [port, login, wasmPort] = [
    await getPort({ host: '127.0.0.1' }),
    await getPort({ host: '127.0.0.1' }),
    await getPort({ host: '127.0.0.1' }),
  ]
  const origin = `http://localhost:${port}`
  const wasmUrl = `http://127.0.0.1:${wasmPort}`
  const config = parseConfig(
    JSON.stringify({
      version: 1,
      mode: 'embedded',
      origin,
      listen: { login: `127.0.0.1:${login}` },
      chain: { chainId: 31337, rpcUrls: [chain.url], confirmations: 1 },
      contracts: [{ address: chain.contract }],
      roles: { owner: chain.owner.address, treasury: chain.owner.address },
      plans: [
        { name: 'Functions', kind: 'wasm', gasPerDay: String(gasPerDay), graceDays: 1, capacity: 100, prices: { native: '1' } },
      ],
      hypervisor: { kind: 'fake' },
      taking: { waitSeconds: 60 },
      wasm: { enabled: true, url: wasmUrl },
    }),
    'stand.yaml',
  )
  const clock = new MovableClock()
  const logged: string[] = []
  const store = await openStore(join(folder, 'freehold.db'), { clock })
  const hypervisor = createFakeHypervisor({ clock, storages: ['local'], createSeconds: 0.01, file: join(folder, 'world') })
  const note = (fields: object, line: string) => void logged.push(JSON.stringify({ ...fields, line }))
  let wasmd: WasmDaemon | undefined
  async function startWasmd(): Promise<void> {
    wasmd = await startWasmDaemon({
      config: wasmConfigSchema.parse({
        server: { port: wasmPort, workers: 1 },
        wasm: { max_execution_time_seconds: options.executionSeconds ?? 2, default_gas_limit: '12000' },
      }),
      stateFolder: join(folder, 'wasm'),
      hostSocket: join(folder, 'wasm/run/host.sock'),
      clock,
      log: { line: (line) => void logged.push(JSON.stringify(line)), reopen: () => undefined },
    })
  }
  if (options.wasmd !== false) await startWasmd()
  const events = new TaskEvents()
  const product = await startProduct({
    version: '0.1.0',
    config,
    stateFolder: folder,
    clock,
    store,
    hypervisor,
    events,
    log: { info: note, error: note },
  })
  const app = await createApi({ ...product.api, tasks: events }, { door: 'public' })
  const pages = options.pages === undefined ? undefined : await servePages(options.pages)
  if (pages === undefined) await app.listen({ host: '127.0.0.1', port })
  else {
    // as the front server does it: one origin, the API on a socket that names the peer
    const socket = join(folder, 'api.sock')
    await app.listen({ path: socket })
    await pages.front(port, socket)
  }

  async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + 120_000
    while (!(await condition())) {
      if (performance.now() > end) throw new Error(`${what} did not come: ${logged.slice(-10).join('\n')}`)
      await clock.wait(30)
    }
  }
  const tokenState = (id: bigint) => product.api.facts().contracts[0]?.latest.subscriptions.get(id)?.state
  return {
    chain,
    clock,
    origin,
    wasmUrl,
    product,
    store,
    logged,
    async buy(index, seconds = day) {
      const signer = await chain.provider.getSigner(devWallet(index).address)
      const price = (10n ** 15n * BigInt(seconds) + BigInt(day) - 1n) / BigInt(day)
      await chain.send(signer, 'buy', [1, zeroAddress, seconds, price, signer.address], price)
      const tokenId = (await nextTokenId(chain)) - 1n
      if (wasmd !== undefined) await until(`activation of ${tokenId}`, async () => tokenState(tokenId) === 'active')
      return tokenId
    },
    async signedIn(index) {
      const client = createClient({ url: origin })
      await signIn(client, walletOf(devWallet(index)), origin, clock.now())
      return client
    },
    newKey: (client, more = {}) =>
      client.call(newWasmKeySchema, 'POST', '/v1/wasm/keys', { body: { label: 'test', ...more }, headers: fresh() }),
    async pass(seconds) {
      await chain.advance(seconds)
      clock.advance(seconds)
      await chain.mine(3)
      product.wake()
    },
    until,
    async stopWasmd() {
      await wasmd?.stop()
      wasmd = undefined
    },
    startWasmd,
    async stop() {
      await pages?.stop()
      await app.close()
      await product.stop()
      await wasmd?.stop()
      await store.close()
      await chain.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function nextTokenId(chain: TestChain): Promise<bigint> {
  const answer = await chain.provider.call({ to: chain.contract, data: '0x75794a3c' })
  return BigInt(answer)
}

/** The built pages behind a front of their own. */
async function servePages(folder: string): Promise<{ front(port: number, api: string): Promise<void>; stop(): Promise<void> }> {
  const web = await startPages(folder)
  const server = createServer()
  return {
    async front(port, api) {
      server.on('request', (request, response) => {
        const target = request.url?.startsWith('/v1/') === true ? { socketPath: api } : { host: '127.0.0.1', port: web.port }
        const headers = { ...request.headers, 'x-forwarded-for': request.socket.remoteAddress ?? '' }
        const upstream = httpRequest({ ...target, method: request.method, path: request.url, headers }, (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(response)
        })
        upstream.on('error', () => response.destroy())
        request.pipe(upstream)
      })
      await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    },
    async stop() {
      server.closeAllConnections()
      server.close()
      await web.stop()
    },
  }
}
