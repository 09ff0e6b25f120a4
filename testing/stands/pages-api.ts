import { randomBytes, randomInt } from 'node:crypto'
import type { ChildProcess } from 'node:child_process'
import { request as httpRequest } from 'node:http'
import getPort from 'get-port'
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { Contract, JsonRpcProvider, NonceManager, Wallet } from 'ethers'
import type { z } from 'zod'
import {
  approvalBodySchema,
  approvalSchema,
  loginRequestSchema,
  newLoginRequestSchema,
  newSessionSchema,
  outcomeSchema,
  replyBodySchema,
  sessionSchema,
} from '@freehold/appliance/api/schemas/sign-in'
import { vmMetricsSchema } from '@freehold/appliance/api/schemas/operator'
import { plansSchema, quoteQuerySchema, quoteSchema, statusSchema } from '@freehold/appliance/api/schemas/status'
import { taskSchema } from '@freehold/appliance/api/schemas/tasks'
import { keepBodySchema, purchaseSchema, vmActionBodySchema, vmSchema, vmsPageSchema } from '@freehold/appliance/api/schemas/vms'
import { wasmOperatorSchema, wasmReceiptsSchema, wasmSchema } from '@freehold/appliance/api/schemas/wasm'
import { parseVmId, vmIdOf } from '@freehold/appliance/chain/installation'
import { zeroAddress } from '@freehold/appliance/chain/subscription'
import { systemClock } from '@freehold/appliance/clock/clock'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { localChainId, localRpc, moveChainTo } from '@freehold/appliance/dev/local-chain'
import { startPages } from '@freehold/appliance/dev/pages-server'
import { AppError } from '@freehold/appliance/errors/app-error'
import type { ErrorCode } from '@freehold/appliance/errors/catalogue'
import { toProblem } from '@freehold/appliance/errors/problem'
import { parseCode } from '@freehold/appliance/sign-in/codes'
import { isDirect } from '@freehold/appliance/sign-in/direct'
import { displayCode, signInText, type Act } from '@freehold/appliance/sign-in/sign-in-text'
import { recoverSigner } from '@freehold/appliance/sign-in/wallet-verifier'
import { spawnAnvil } from '@freehold/contracts/anvil'
import { deploySubscriptions } from '@freehold/contracts/deploy'
import { deployDevToken } from '@freehold/contracts/dev-token'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { buildPages } from '@freehold/appliance/dev/builds'
import { servePagesConsole } from './pages-console.ts'
import { PagesWorld, type StandRequest } from './pages-world.ts'

const day = 86_400

/** What a path answers instead of the truth: a declared error, no answer of the daemon (as Caddy tells it), or none at all. */
export type Fault = ErrorCode | 'down' | 'hang'

/** The pages on one origin with a small honest host behind them; money and passes are those of the real contract. */
export interface PagesStand {
  origin: string
  rpcUrl: string
  world: PagesWorld
  devToken: string
  /** Development wallets; 4 and up hold coins and tokens and have bought nothing. */
  wallet(index: number): Wallet
  /** A terminal asks for a shell on a VM from `source`; returns the code of its link. */
  askShell(vmId: string, source?: string): Promise<string>
  /** A terminal or browser elsewhere asks for another act; returns the code of its link. */
  ask(act: Act, vmId: string | undefined, source?: string): string
  /** The terminal goes on with what was approved, sending `reply` if it was asked for. Throws Error where the host refuses. */
  terminalGoesOn(code: string, reply?: string): void
  /** Paths that begin with `prefix` answer the fault until it is lifted with undefined. */
  fail(prefix: string, fault: Fault | undefined): void
  /** Buys a VM as `buyer` and waits until it is active. Returns its vmId. */
  buy(buyer: Wallet, days?: number): Promise<string>
  /** Buys a VM and gives its pass away. */
  buyAndGive(buyer: Wallet, to: Wallet): Promise<{ vmId: string }>
  /** Moves the chain and with it the host's clock. */
  advance(seconds: number): Promise<void>
  stop(): Promise<void>
}

async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  const end = systemClock.monotonicMs() + 60_000
  while (!(await check().catch(() => false))) {
    if (systemClock.monotonicMs() > end) throw new Error(`${what} did not come up`)
    await systemClock.wait(50)
  }
}

function ended(child: ChildProcess): Promise<void> {
  const { promise, resolve: done } = Promise.withResolvers<void>()
  if (child.exitCode !== null || child.signalCode !== null) done()
  else child.once('exit', () => done())
  child.kill('SIGTERM')
  return promise
}

/** Starts anvil, the contract, the host and the built pages. `pages` names a folder with wizard/server.js; default: build it. */
export async function startPagesStand(options: { pages?: string } = {}): Promise<PagesStand> {
  const pages = options.pages ?? (await buildPages(() => undefined))
  const web = await startPages(pages)
  const rpcPort = await getPort({ host: '127.0.0.1' })
  const port = await getPort({ host: '127.0.0.1' })
  const rpcUrl = `http://127.0.0.1:${rpcPort}`
  const origin = `http://localhost:${port}`
  const anvil = spawnAnvil([
    '--port',
    String(rpcPort),
    '--chain-id',
    String(localChainId),
    '--slots-in-an-epoch',
    '1',
    '--silent',
  ])
  await until('the chain', async () => (await localRpc(rpcUrl, 'eth_chainId')) === '0x7a69')
  const provider = new JsonRpcProvider(rpcUrl, undefined, { staticNetwork: true, pollingInterval: 50, cacheTimeout: -1 })
  const wallet = (index: number) => new Wallet(devWallet(index).privateKey, provider)
  const [deployer, owner, treasury, provisioner] = [wallet(0), wallet(1), wallet(2), wallet(3)]
  const devToken = (await deployDevToken(new NonceManager(deployer))).toLowerCase()
  const plan = (
    name: string,
    vcpus: number,
    memoryMiB: number,
    diskGiB: number,
    capacity: number,
    native: bigint,
    token: bigint,
  ) => ({
    plan: {
      name,
      kind: 0,
      vcpus,
      memoryMiB,
      diskGiB,
      gasPerDay: 0n,
      graceSeconds: 7 * day,
      activationDeadlineSeconds: day,
      minSeconds: day,
      maxSeconds: 90 * day,
      capacity,
      open: true,
    },
    prices: [
      { token: zeroAddress, perDay: native },
      { token: devToken, perDay: token },
    ],
  })
  const journal: { entry?: { address: string } } = {}
  const { address } = await deploySubscriptions({
    provider,
    signer: deployer,
    args: {
      owner: owner.address,
      treasury: treasury.address,
      provisioner: provisioner.address,
      plans: [
        plan('Small', 1, 512, 4, 50, 10n ** 15n, 500_000n),
        plan('Medium', 2, 1024, 8, 20, 2n * 10n ** 15n, 1_000_000n),
        plan('Large', 4, 4096, 32, 0, 8n * 10n ** 15n, 4_000_000n),
      ],
    },
    salt: `0x${randomBytes(32).toString('hex')}`,
    journal: {
      get: () => Promise.resolve(journal.entry),
      put(entry) {
        journal.entry = entry
        return Promise.resolve()
      },
    },
  })
  const token = new Contract(
    devToken,
    [
      'function mint(address to, uint256 amount)',
      'function decimals() view returns (uint8)',
      'function symbol() view returns (string)',
    ],
    new NonceManager(deployer),
  )
  const [decimals, symbol] = [
    Number(await token.getFunction('decimals').staticCall()),
    String(await token.getFunction('symbol').staticCall()),
  ]
  for (const index of [4, 5, 6]) await (await token.getFunction('mint').send(wallet(index).address, 10n ** 9n)).wait()
  const world = new PagesWorld({
    contract: new Contract(address, subscriptionsInterface, new NonceManager(provisioner)),
    address,
    chainId: localChainId,
    tokens: new Map([
      [zeroAddress as string, { symbol: 'ETH', decimals: 18, permit: false }],
      [devToken, { symbol, decimals, permit: true }],
    ]),
  })
  let offset = 0
  const now = () => Math.floor(Date.now() / 1000) + offset
  const faults = new Map<string, Fault>()
  const app = fastify({ forceCloseConnections: true })
  serveApi(app, { world, origin, rpcUrl, now, provider })
  app.addHook('onRequest', async (request, reply) => {
    const fault = [...faults].find(([prefix]) => request.url.startsWith(prefix))?.[1]
    if (fault === undefined) return
    if (fault === 'hang') await new Promise(() => undefined)
    if (fault === 'down') return await reply.code(502).send('')
    throw new AppError({ code: fault as ErrorCode, detail: 'The stand was told to answer this.' })
  })
  app.setErrorHandler((error, request, reply) => {
    const problem = toProblem(error, { instance: request.url, requestId: request.id })
    void reply.code(problem.status).type('application/problem+json').send(problem)
  })
  app.setNotFoundHandler((request, reply) => {
    if (request.url.startsWith('/v1/')) throw new AppError({ code: 'not-found', detail: 'There is no such resource.' })
    forward(request, reply, web.port)
  })
  servePagesConsole(app.server, world, { origin, now })
  await app.listen({ host: '127.0.0.1', port })
  let running = true
  const delivery = (async () => {
    while (running) {
      await world.deliver().catch(() => undefined)
      await systemClock.wait(100)
    }
  })()

  async function buy(buyer: Wallet, days = 30): Promise<string> {
    const contract = new Contract(address, subscriptionsInterface, buyer)
    const tokenId = await world.nextTokenId()
    const price = 10n ** 15n * BigInt(days)
    await (await contract.getFunction('buy').send(0, zeroAddress, days * day, price, buyer.address, { value: price })).wait()
    const vmId = vmIdOf({ installation: world.installation, tokenId })
    await until(vmId, async () => (await world.vm(tokenId))?.state === 'running')
    return vmId
  }

  return {
    origin,
    rpcUrl,
    world,
    devToken,
    wallet,
    async askShell(vmId, source = '127.0.0.1') {
      const tokenId = parseVmId(vmId)?.tokenId ?? 0n
      return put(world, {
        ...newRequest(origin, now(), 'shell', source),
        vmId,
        hostname: `vm-${tokenId}`,
        user: 'owner',
        contract: world.contractAddress,
        tokenId: String(tokenId),
        generation: world.vms.get(vmId)?.generation ?? 1,
        hostKey: 'SHA256:uNiVztksCsDhcc0u9e8BrUiDv0b7C6Xo5k3Gq0o0w7E',
      }).code
    },
    ask(act, vmId, source = '127.0.0.1') {
      const tokenId = vmId === undefined ? null : String(parseVmId(vmId)?.tokenId ?? 0n)
      return put(world, {
        ...newRequest(origin, now(), act, source),
        ...(vmId !== undefined && {
          vmId,
          hostname: `vm-${tokenId}`,
          contract: world.contractAddress,
          tokenId,
          generation: world.vms.get(vmId)?.generation ?? 1,
        }),
        ...(act.startsWith('certificate:') && {
          user: 'owner',
          hostKey: 'SHA256:uNiVztksCsDhcc0u9e8BrUiDv0b7C6Xo5k3Gq0o0w7E',
        }),
      }).code
    },
    terminalGoesOn(code, reply) {
      const asked = world.requests.get(code.replace('-', ''))
      if (asked === undefined) throw new Error('there is no such request')
      if (asked.state === 'needs-reply' && reply === asked.replyCode) asked.state = 'approved'
      if (asked.state !== 'approved') throw new Error(`the host lets nobody in: ${asked.state}`)
      asked.state = 'used'
    },
    fail(prefix, fault) {
      if (fault === undefined) faults.delete(prefix)
      else faults.set(prefix, fault)
    },
    buy,
    async buyAndGive(buyer, to) {
      const vmId = await buy(buyer)
      // the host has seen who had it
      await world.vm(parseVmId(vmId)?.tokenId ?? 0n)
      const pass = new Contract(address, subscriptionsInterface, buyer)
      await (await pass.getFunction('transferFrom').send(buyer.address, to.address, parseVmId(vmId)?.tokenId ?? 0n)).wait()
      return { vmId }
    },
    async advance(seconds) {
      offset += seconds
      await moveChainTo(rpcUrl, now())
    },
    async stop() {
      running = false
      await delivery
      await app.close()
      provider.destroy()
      await Promise.all([web.stop(), ended(anvil)])
    },
  }
}

function forward(request: FastifyRequest, reply: FastifyReply, port: number): void {
  reply.hijack()
  const upstream = httpRequest(
    { host: '127.0.0.1', port, method: request.method, path: request.raw.url, headers: request.raw.headers },
    (answer) => {
      reply.raw.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(reply.raw)
    },
  )
  upstream.on('error', () => reply.raw.destroy())
  request.raw.pipe(upstream)
}

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const newCode = () => Array.from({ length: 8 }, () => alphabet[randomInt(32)]).join('')
const iso = (seconds: number) => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')

function newRequest(origin: string, now: number, act: Act, source: string): StandRequest {
  return {
    requestId: randomBytes(16).toString('hex'),
    code: displayCode(newCode()),
    act,
    state: 'waiting',
    vmId: null,
    hostname: null,
    user: null,
    source,
    origin,
    chainId: localChainId,
    contract: null,
    tokenId: null,
    generation: null,
    hostKey: null,
    nonce: randomBytes(16).toString('hex'),
    issuedAt: iso(now),
    expiresAt: iso(now + 300),
    askedBy: null,
    signer: null,
    replyCode: null,
    triesLeft: 3,
  }
}

function put(world: PagesWorld, request: StandRequest): StandRequest {
  world.requests.set(request.code.replace('-', ''), request)
  return request
}

/** As the front server names it; a test puts a browser elsewhere by the header that the front server writes. */
const addressOf = (request: FastifyRequest) => String(request.headers['x-forwarded-for'] ?? '127.0.0.1')
const cookieOf = (request: Pick<FastifyRequest, 'headers'>, name: string) =>
  new RegExp(`(?:^|; )${name}=([^;]+)`).exec(request.headers.cookie ?? '')?.[1]

interface Served {
  world: PagesWorld
  origin: string
  rpcUrl: string
  now(): number
  provider: JsonRpcProvider
}

/** The part of the API that pages use, each answer parsed by its schema. */
function serveApi(app: FastifyInstance, { world, origin, rpcUrl, now, provider }: Served): void {
  const send = <T extends z.ZodType>(schema: T, value: z.input<T>) => schema.parse(value)
  const signedIn = (request: FastifyRequest) => {
    const session = world.sessions.get(cookieOf(request, '__Host-freehold') ?? '')
    if (session === undefined) throw new AppError({ code: 'not-signed-in', detail: 'This needs a sign-in.' })
    return session
  }
  const requestOf = (request: FastifyRequest): StandRequest => {
    const { code } = request.params as { code: string }
    const asked = world.requests.get(code)
    if (asked === undefined) throw new AppError({ code: 'not-found', detail: `There is no sign-in ${code}.` })
    if (asked.state === 'waiting' && now() >= Date.parse(asked.expiresAt) / 1000) asked.state = 'expired'
    return asked
  }
  const placeOf = (request: FastifyRequest) => ({
    address: addressOf(request),
    cookieHash: cookieOf(request, '__Host-freehold-asker') ?? null,
  })
  const directFor = (asked: StandRequest, request: FastifyRequest) =>
    isDirect(
      { source: asked.source, behindLoopbackForward: false, seenInGuest: false, cookieHash: asked.askedBy },
      placeOf(request),
      false,
    )
  const ownRequest = (request: FastifyRequest) => {
    const asked = requestOf(request)
    if (asked.askedBy === null || asked.askedBy !== cookieOf(request, '__Host-freehold-asker'))
      throw new AppError({ code: 'not-found', detail: 'There is no such sign-in of yours.' })
    return asked
  }
  const outcomeOf = (asked: StandRequest) =>
    send(outcomeSchema, {
      state: asked.state,
      reason: asked.state === 'denied' ? (asked.reason ?? { code: 'refused', text: 'Refused on the sign-in page.' }) : null,
      triesLeft: asked.state === 'needs-reply' ? asked.triesLeft : null,
    })
  const shown = (asked: StandRequest, request: FastifyRequest) => {
    const { askedBy: _a, signer: _s, replyCode: _r, triesLeft: _t, reason: _w, ...view } = asked
    return send(loginRequestSchema, {
      ...view,
      browserAddress: addressOf(request),
      direct: directFor(asked, request),
      now: now(),
    })
  }
  const ownVm = async (request: FastifyRequest) => {
    const { address } = signedIn(request)
    const { vmId } = request.params as { vmId: string }
    const vm = await world.vm(parseVmId(vmId)?.tokenId ?? 0n)
    if (vm === undefined || vm.vmId !== vmId) throw new AppError({ code: 'vm-unknown', detail: `There is no VM ${vmId}.` })
    if (vm.subscription.holder.toLowerCase() !== address.toLowerCase())
      throw new AppError({ code: 'vm-unknown', detail: `There is no VM ${vmId} of yours.` })
    return vm
  }

  app.get('/v1/status', async () => {
    const block = await provider.getBlock('latest')
    return send(statusSchema, {
      version: '0.1.0',
      mode: 'embedded',
      origin,
      now: now(),
      storefront: world.closedBecause === null ? 'open' : 'closed',
      closedBecause: world.closedBecause,
      chain: {
        chainId: world.chainId,
        name: world.networkName,
        rpcUrl: `${origin}/v1/rpc`,
        confirmations: 1,
        latest: block === null ? null : { number: block.number, timestamp: block.timestamp },
        stale: world.stale,
      },
      contracts: [{ installation: world.installation, address: world.contractAddress }],
      hypervisor: { name: 'fake', acceleration: 'none', isolation: false },
      notices: world.notices,
    })
  })
  app.get('/v1/plans', async () =>
    send(plansSchema, world.nothingOnSale ? { plans: [], buyingPaused: false } : await world.plans()),
  )
  app.get('/v1/quotes', async (request) => {
    const { planId, token, seconds } = quoteQuerySchema.parse(request.query)
    const { plans } = await world.plans()
    const price = plans[planId]?.prices.find((p) => p.token === token)
    if (price === undefined) throw new AppError({ code: 'not-found', detail: `There is no plan ${planId} for this token.` })
    const { symbol, decimals } = price
    const total = (BigInt(price.pricePerDay) * BigInt(seconds) + BigInt(day - 1)) / BigInt(day)
    return send(quoteSchema, { planId, token, symbol, decimals, seconds, price: String(total), contract: world.contractAddress })
  })
  app.post('/v1/rpc', async (request) => {
    const answer = await fetch(rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request.body),
    })
    return await answer.json()
  })
  app.get('/v1/purchases/:hash', async (request) => {
    const { hash } = request.params as { hash: string }
    const receipt = await provider.getTransactionReceipt(hash)
    const base = {
      transactionHash: hash,
      vmId: null,
      phase: null,
      confirmations: 0,
      confirmationsNeeded: 1,
      elapsedSeconds: 0,
      activationDeadline: null,
    }
    if (receipt === null)
      return send(purchaseSchema, { ...base, state: (await provider.getTransaction(hash)) === null ? 'unknown' : 'seen' })
    const bought = receipt.logs
      .filter((log) => log.address.toLowerCase() === world.contractAddress.toLowerCase())
      .map((log) => subscriptionsInterface.parseLog(log))
      .find((log) => log?.name === 'Bought')
    if (receipt.status !== 1 || bought == null) return send(purchaseSchema, { ...base, state: 'failed' })
    const vm = await world.vm(BigInt(bought.args['tokenId'] as bigint))
    if (vm === undefined) return send(purchaseSchema, { ...base, state: 'seen' })
    const { entitlement, boughtAt, activatedAt, activationDeadline } = vm.subscription
    const state =
      entitlement === 'ended'
        ? 'rejected'
        : entitlement !== 'pending'
          ? 'ready'
          : now() > activationDeadline
            ? 'refundable'
            : 'preparing'
    return send(purchaseSchema, {
      ...base,
      state,
      vmId: vm.vmId,
      phase: state === 'preparing' ? world.phaseOf(vm.vmId) : null,
      confirmations: 1,
      elapsedSeconds: Math.max(0, (activatedAt || now()) - boughtAt),
      activationDeadline,
    })
  })
  app.get('/v1/vms', async (request) => {
    const { address } = signedIn(request)
    const items = []
    for (let id = 1n; id < (await world.nextTokenId()); id++) {
      const vm = await world.vm(id)
      if (vm !== undefined && vm.subscription.holder.toLowerCase() === address.toLowerCase()) items.push(vm)
    }
    return send(vmsPageSchema, { items, nextCursor: null })
  })
  app.get('/v1/vms/:vmId', async (request) => send(vmSchema, await ownVm(request)))
  app.get('/v1/vms/:vmId/metrics', async (request) => {
    await ownVm(request)
    const at = now()
    return send(vmMetricsSchema, {
      at,
      cpuSeconds: at / 10,
      memoryUsedMiB: 200,
      diskReadBytes: at * 1000,
      diskWrittenBytes: at * 2000,
      networkReceivedBytes: at * 3000,
      networkSentBytes: null,
    })
  })
  app.post('/v1/vms/:vmId/actions', async (request, reply) => {
    const vm = await ownVm(request)
    const { action, requestId } = vmActionBodySchema.parse(request.body)
    const possible = vm.actions.find((a) => a.action === action)
    if (possible?.allowed !== true)
      throw new AppError({ code: 'not-in-this-state', detail: possible?.reason ?? 'It is not possible.' })
    if (action === 'reinstall' || action === 'rollback') {
      const signed = [...world.requests.values()].find(
        (r) => r.requestId === requestId && r.act === action && r.state === 'approved',
      )
      if (signed === undefined) throw new AppError({ code: 'signature-invalid', detail: 'This act needs its own signature.' })
      signed.state = 'used'
    }
    const own = world.vms.get(vm.vmId)
    if (own !== undefined && (action === 'stop' || action === 'start')) own.stopped = action === 'stop'
    if (own !== undefined && action === 'snapshot') own.snapshots = ['snapshot-1']
    if (own !== undefined && action === 'reinstall')
      Object.assign(own, { generation: own.generation + 1, former: null, snapshots: [], reinstallAt: performance.now() })
    void reply.code(202)
    return send(taskSchema, {
      taskId: randomBytes(8).toString('hex'),
      kind: action,
      subject: vm.vmId,
      state: 'done',
      steps: [],
      error: null,
      attempt: 1,
      createdAt: now(),
      endedAt: now(),
    })
  })

  app.post('/v1/vms/:vmId/keep', async (request) => {
    const vm = await ownVm(request)
    const { generation } = keepBodySchema.parse(request.body)
    const own = world.vms.get(vm.vmId)
    if (own?.generation !== generation) throw new AppError({ code: 'not-in-this-state', detail: 'It was reinstalled meanwhile.' })
    own.former = null
    return send(vmSchema, await ownVm(request))
  })

  const wasm = () => {
    if (world.wasm === undefined) throw new AppError({ code: 'not-found', detail: 'This host runs no WebAssembly.' })
    return world.wasm
  }
  app.get('/v1/wasm', (request) => signedIn(request) && send(wasmSchema, wasm().own))
  app.get('/v1/wasm/receipts', (request) => signedIn(request) && send(wasmReceiptsSchema, { items: [], nextCursor: null }))
  app.get('/v1/wasm/operator', (request) => signedIn(request) && send(wasmOperatorSchema, wasm().operator))

  app.post('/v1/login-requests', async (request, reply) => {
    const { act, vmId } = newLoginRequestSchema.parse(request.body)
    let asker = cookieOf(request, '__Host-freehold-asker')
    if (asker === undefined) {
      asker = randomBytes(16).toString('hex')
      void reply.header('set-cookie', `__Host-freehold-asker=${asker}; Path=/; Secure; HttpOnly; SameSite=Strict`)
    }
    const tokenId = vmId === undefined ? null : String(parseVmId(vmId)?.tokenId ?? 0)
    const asked = put(world, {
      ...newRequest(origin, now(), act as Act, addressOf(request)),
      askedBy: asker,
      ...(vmId !== undefined && {
        vmId,
        hostname: `vm-${tokenId}`,
        contract: world.contractAddress,
        tokenId,
        generation: world.vms.get(vmId)?.generation ?? 1,
      }),
    })
    void reply.code(201)
    return shown(asked, request)
  })
  app.get('/v1/login-requests/:code', async (request) => shown(requestOf(request), request))
  app.post('/v1/login-requests/:code/approval', async (request) => {
    const asked = requestOf(request)
    const { address, signature } = approvalBodySchema.parse(request.body)
    if (asked.state === 'expired') throw new AppError({ code: 'request-expired', detail: 'It was good for five minutes.' })
    if (asked.state !== 'waiting') throw new AppError({ code: 'request-used', detail: 'It was answered before.' })
    const text = signInText({
      act: asked.act as Act,
      origin,
      address,
      chainId: asked.chainId,
      source: asked.source,
      code: asked.code,
      nonce: asked.nonce,
      issuedAt: asked.issuedAt,
      expiresAt: asked.expiresAt,
      requestId: asked.requestId,
      ...(asked.contract !== null && {
        vm: { contract: asked.contract, tokenId: BigInt(asked.tokenId ?? 0), generation: asked.generation ?? 0 },
      }),
      ...(asked.hostKey !== null && { hostKey: asked.hostKey }),
      ...(asked.user !== null && { user: asked.user }),
    })
    const signer = recoverSigner(text, signature)
    if (signer === undefined || signer !== address.toLowerCase())
      throw new AppError({ code: 'signature-invalid', detail: `It is not one of ${address}.` })
    if (asked.tokenId !== null) {
      const vm = await world.vm(BigInt(asked.tokenId))
      if (vm?.subscription.holder.toLowerCase() !== address.toLowerCase())
        throw new AppError({ code: 'wrong-wallet', detail: `${vm?.subscription.holder} holds the pass; ${address} signed.` })
      if (vm.subscription.entitlement !== 'active') {
        asked.state = 'denied'
        asked.reason = { code: 'not-entitled', text: 'The subscription has ended.' }
        throw new AppError({ code: 'not-entitled', detail: 'The subscription ended. The data is kept.' })
      }
    }
    asked.signer = signer
    asked.state = directFor(asked, request) ? 'approved' : 'needs-reply'
    asked.replyCode = asked.state === 'approved' ? null : displayCode(newCode())
    return send(approvalSchema, { state: asked.state, replyCode: asked.replyCode })
  })
  app.post('/v1/login-requests/:code/refusal', async (request) => {
    const asked = requestOf(request)
    if (asked.state === 'waiting' || asked.state === 'needs-reply' || asked.state === 'approved') asked.state = 'denied'
    return outcomeOf(asked)
  })
  app.get('/v1/login-requests/:code/outcome', async (request) => {
    const asked = ownRequest(request)
    const { waitSeconds = 0 } = request.query as { waitSeconds?: number }
    const end = systemClock.monotonicMs() + Number(waitSeconds) * 1000
    while (asked.state === 'waiting' && systemClock.monotonicMs() < end && !request.raw.destroyed) {
      await systemClock.wait(50)
      requestOf(request)
    }
    return outcomeOf(asked)
  })
  app.post('/v1/login-requests/:code/reply', async (request) => {
    const asked = ownRequest(request)
    const { reply } = replyBodySchema.parse(request.body)
    if (asked.state === 'needs-reply') {
      if (parseCode(reply) === parseCode(asked.replyCode ?? '')) asked.state = 'approved'
      else if ((asked.triesLeft -= 1) === 0) {
        asked.state = 'denied'
        asked.reason = { code: 'reply-wrong', text: 'Three wrong reply codes. Begin again.' }
      }
    }
    return outcomeOf(asked)
  })
  app.post('/v1/sessions', async (request, reply) => {
    const { requestId } = newSessionSchema.parse(request.body)
    const asked = [...world.requests.values()].find((r) => r.requestId === requestId && r.act === 'session')
    if (asked?.state !== 'approved' || asked.signer === null || asked.askedBy !== cookieOf(request, '__Host-freehold-asker')) {
      throw new AppError({ code: 'not-allowed', detail: 'This sign-in is not approved, or not yours.' })
    }
    asked.state = 'used'
    const secret = randomBytes(32).toString('hex')
    const session = { sessionId: randomBytes(8).toString('hex'), address: asked.signer.toLowerCase(), createdAt: now() }
    world.sessions.set(secret, session)
    void reply
      .code(201)
      .header('set-cookie', `__Host-freehold=${secret}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=43200`)
    return send(sessionSchema, { ...session, expiresAt: now() + 43_200, source: '127.0.0.1', current: true, token: null })
  })
  app.get('/v1/sessions', async (request) => {
    const session = signedIn(request)
    return {
      sessions: [
        send(sessionSchema, {
          ...session,
          expiresAt: session.createdAt + 43_200,
          source: '127.0.0.1',
          current: true,
          token: null,
        }),
      ],
    }
  })
  app.delete('/v1/sessions/:sessionId', async (request, reply) => {
    signedIn(request)
    world.sessions.delete(cookieOf(request, '__Host-freehold') ?? '')
    return await reply.code(204).send(null)
  })
}
