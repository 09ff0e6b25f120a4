import { join } from 'node:path'
import { createFactsKeeper } from './api/facts-keeper.ts'
import { createBackups, type Backups } from './backup/backups.ts'
import { createConsoles } from './api/consoles.ts'
import type { ApiPorts, TokenInfo } from './api/ports.ts'
import { wasmPlanRows } from './api/wasm-plans.ts'
import { createClients, firstReachable } from './chain/any-client.ts'
import { createChainReader } from './chain/chain-reader.ts'
import { createTokenReader, unreadToken } from './chain/erc20.ts'
import { createFinalityMemory } from './chain/finality-memory.ts'
import { nextKeyIn } from './chain/next-key.ts'
import { loadOrCreateKey } from './chain/provisioner-key.ts'
import { createProvisioner } from './chain/provisioner.ts'
import { RpcClient } from './chain/rpc.ts'
import { z } from 'zod'
import type { Clock } from './clock/clock.ts'
import type { Config } from './config/schema.ts'
import { AppError } from './errors/app-error.ts'
import { createMetricsServer } from './api/metrics.ts'
import type { HealthFacts } from './health/facts.ts'
import { gatherFacts } from './health/gather.ts'
import { openAlerts } from './health/alerts/alerts.ts'
import { createHealth, type Health } from './health/health.ts'
import { shownSettings } from './config/shown-settings.ts'
import { createHostClient, hostSocket } from './host/client.ts'
import { readMirrors } from './host/mirrors.ts'
import { noHost } from './host/no-host.ts'
import type { HostPort } from './host/port.ts'
import type { Hypervisor } from './hypervisor/port.ts'
import { createAddressTable } from './network/address-table.ts'
import { addressPlanOf } from './network/installed-network.ts'
import { createPublicIpv6 } from './network/broker/public-ipv6.ts'
import { namesOf } from './setup/tls/certificates.ts'
import { registryWays } from './network/broker/registry-ways.ts'
import { createSshdProbe } from './network/ssh-banner.ts'
import { issueCertificate } from './sign-in/certificates/issue.ts'
import { createGuestEndpoint } from './sign-in/guest-endpoint.ts'
import { createPassWatch } from './sign-in/pass-watch.ts'
import { loadOrCreateSecrets } from './sign-in/secrets.ts'
import { createSessions } from './sign-in/sessions.ts'
import { createSignIn } from './sign-in/sign-in.ts'
import { contractWalletVerifier } from './sign-in/contract-wallets.ts'
import { othersOnLoopback } from './sign-in/direct.ts'
import type { SignInPorts } from './sign-in/ports.ts'
import { ecdsaVerifier, firstOf } from './sign-in/wallet-verifier.ts'
import type { TaskEvents } from './steps/task-events.ts'
import type { Store } from './store/store.ts'
import { createGuestReports } from './vms/guest-reports.ts'
import { beginAction } from './vms/operations.ts'
import { rebuild } from './vms/rebuild.ts'
import { createReconciler } from './vms/reconciler.ts'
import type { ServedContract } from './vms/vm-work.ts'
import { startWasm, wasmSocketOf, type RunningWasm } from './wasm/start-wasm.ts'

export interface ProductPorts {
  version: string
  config: Config
  stateFolder: string
  clock: Clock
  store: Store
  hypervisor: Hypervisor
  events: TaskEvents
  log: ApiPorts['log']
  /** How the certificate of the public address stands, where this host gets it by itself. */
  certificate?(): Promise<HealthFacts['certificate']>
  /** Called once, when another key has taken the provisioner's place and everything has to begin anew with it. */
  renew?(): void
  /** The root helper; default: the one of this mode. */
  host?: HostPort
}

/** The product of a host that is set up. */
export interface Product {
  api: Omit<ApiPorts, 'tasks'>
  rebuild(): Promise<{ vms: number; unmatched: string[] }>
  backups: Backups
  /** Something outside changed: look now. */
  wake(): void
  stop(): Promise<void>
}

type Say = (line: string, cause?: unknown) => void
/** What ends that which has begun, last first. */
type Endings = (() => Promise<void> | void)[]

/**
 * Wires chain, hypervisor, sign-in and loops of one configuration, and starts them. The hypervisor is its own from here on.
 * Throws what keeps it from starting; a start that fails half way leaves nothing behind.
 */
export async function startProduct(ports: ProductPorts): Promise<Product> {
  const say: Say = (line, cause) =>
    cause === undefined ? ports.log.info({}, line) : ports.log.error({ cause: causesOf(cause) }, line)
  const endings: Endings = [async () => (ports.hypervisor as Partial<{ close(): Promise<void> }>).close?.()]
  async function stop(): Promise<void> {
    // one that fails keeps no other from its end
    for (const end of endings.splice(0).reverse()) {
      await Promise.resolve()
        .then(end)
        .catch((error: unknown) => say('something did not end as it should', error))
    }
  }
  try {
    return { ...(await wire(ports, endings, say)), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function wire(ports: ProductPorts, endings: Endings, say: Say): Promise<Omit<Product, 'stop'>> {
  const { config, clock, store, hypervisor, events } = ports
  const secretsFolder = join(ports.stateFolder, 'secrets')

  // chain: one reader and one provisioner per contract, one key for all
  const clients = createClients(config.chain.rpcUrls)
  const key = await loadOrCreateKey(join(secretsFolder, 'provisioner.key'))
  const contracts = config.contracts.map(({ address, fromBlock }, index) => {
    const reader = createChainReader({
      clients,
      chainId: config.chain.chainId,
      contract: address,
      confirmations: config.chain.confirmations,
      clock,
      history: store.history,
      finality: createFinalityMemory(store.settings, config.chain.chainId),
      fromBlock,
      // embedded blocks come at once; a public chain has its own pace
      pollMs: config.mode === 'embedded' ? 500 : 2000,
    })
    const provisioner = createProvisioner({
      clients,
      reader,
      key,
      transactions: store.transactions,
      clock,
      maxFeePerTransactionWei: BigInt(config.chain.maxFeePerTransactionWei),
      maxFeePerDayWei: BigInt(config.chain.maxFeePerDayWei),
      pollMs: config.mode === 'embedded' ? 250 : 1000,
    })
    return { reader, provisioner, index }
  }) satisfies ServedContract[]
  const readers = contracts.map((c) => c.reader)

  // tokens: what prices and payments are in, asked once each
  const tokenReader = createTokenReader(clients)
  const tokens = new Map<string, TokenInfo>()
  const tokenOf = (address: string): TokenInfo =>
    tokens.get(address.toLowerCase()) ?? unreadToken(address.toLowerCase() as `0x${string}`)

  // sign-in: secrets, requests, sessions, the guests' own endpoint
  const secrets = await loadOrCreateSecrets(join(secretsFolder, 'sign-in'))
  let health: Health | undefined
  const keeper = createFactsKeeper({
    clock,
    readers,
    hypervisor,
    vms: store.vms,
    // one issue concerns everybody who reads a page: here nobody is kept apart
    notices: () =>
      (health?.current() ?? []).filter((issue) => issue.code === 'no-isolation').map(({ code, title }) => ({ code, title })),
    async prepare(snapshot) {
      const wanted = new Set([...snapshot.plans.flatMap((plan) => plan.prices.map((p) => p.token))])
      for (const { token } of snapshot.subscriptions.values()) wanted.add(token)
      for (const token of wanted) {
        if (!tokens.has(token.toLowerCase())) tokens.set(token.toLowerCase(), await tokenReader.shown(token))
      }
    },
    log: say,
  })
  const sessions = createSessions({ clock, sessions: store.sessions })
  // a wallet's own code answers here: one try, little time, little to read
  const walletClients = config.chain.rpcUrls.map(
    (url) => new RpcClient({ url, timeoutMs: 5000, attempts: 1, maxAnswerBytes: 64 * 1024 }),
  )
  const contractWallets = contractWalletVerifier({
    async heads() {
      const [reader] = readers
      if (reader === undefined) throw new AppError({ code: 'contract-missing', detail: 'No contract is configured.' })
      return await reader.heads()
    },
    call: (method, params) => firstReachable(walletClients, (client) => client.call(method, params)),
  })
  const signInPorts = {
    clock,
    origin: config.origin,
    chainId: config.chain.chainId,
    mode: config.mode,
    chain: (installation) => readers.find((reader) => reader.installation === installation),
    latestChain: keeper,
    loopbackIsShared: (wallet) => config.mode === 'embedded' && othersOnLoopback(keeper.facts(), wallet),
    vms: store.vms,
    outcomes: store.loginOutcomes,
    audit: store.audit,
    rateLimits: store.rateLimits,
    statementKey: secrets.statementKey,
    log: say,
  } satisfies SignInPorts
  const signIn = createSignIn(signInPorts, { verifier: firstOf(ecdsaVerifier, contractWallets) })
  const consoles = createConsoles({
    clock,
    latestChain: keeper,
    facts: keeper.facts,
    openConsole: (vm) => hypervisor.console(vm),
    audit: store.audit,
    log: say,
  })
  // embedded mode has no helper and tracks no connections: there the guest's own part ends its sessions
  const host = ports.host ?? (config.mode === 'embedded' ? noHost : createHostClient(hostSocket, { timeoutMs: 10_000 }))
  const passWatch = await createPassWatch({
    clock,
    facts: keeper.facts,
    isStale: keeper.isStale,
    onChange: keeper.onChange,
    rows: store.passWatch,
    cutConnections: (vm) => host.cutConnections(vm),
    log: say,
  })
  const reports = createGuestReports(store.vms, clock)
  const guests = createGuestEndpoint({
    clock,
    mode: config.mode,
    signIn,
    latestChain: keeper,
    outcomes: store.loginOutcomes,
    rateLimits: store.rateLimits,
    master: secrets.master,
    login: secrets.login,
    vms: store.vms,
    // the hypervisor's metadata keep the host key too: a lost database loses nothing
    onReport: async (vm, hostKey) => {
      await hypervisor.setFacts(vm, { hostKey })
      reports.reported(vm)
      keeper.wake()
    },
    log: say,
  })

  // VMs: the loop that makes the world as the chain says
  const { plan: addressPlan, guestNet } = addressPlanOf(config)
  const addresses = createAddressTable(addressPlan, store.addresses)
  const reconciler = await createReconciler({
    hypervisor,
    vms: store.vms,
    addresses,
    reports,
    sshd: createSshdProbe(clock),
    clock,
    seed: {
      spkiSha256: secrets.spkiSha256,
      statementKey: secrets.statementKeyRaw,
      userCa: secrets.userCa,
      guestNet,
    },
    masterSecret: secrets.master,
    async template() {
      const sha256 = config.template.sha256
      if (sha256 === undefined || !(await hypervisor.templates()).some((t) => t.sha256 === sha256)) {
        throw new AppError({ code: 'template-missing', detail: `Template ${sha256?.slice(0, 12) ?? ''} is not in the store.` })
      }
      return sha256
    },
    contracts,
    tasks: store.tasks,
    destroys: store.destroys,
    settings: store.settings,
    taking: config.taking,
    servesWasm: config.wasm.enabled,
    onTaskEvent: events.emit,
    log: say,
  })

  const backups = createBackups({
    stateFolder: ports.stateFolder,
    config: config.backup,
    about: {
      product: ports.version,
      origin: config.origin,
      installations: readers.map(({ installation, contract }) => ({ installation, chainId: config.chain.chainId, contract })),
    },
    settings: store.settings,
    clock,
    log: say,
  })
  const alerts = await openAlerts({
    clock,
    file: join(secretsFolder, 'alerts.json'),
    settings: store.settings,
    host: new URL(config.origin).host,
    log: say,
  })
  health = createHealth({
    clock,
    issues: store.issues,
    log: say,
    tell: alerts.tell,
    facts: () =>
      gatherFacts({
        clock,
        contracts,
        chain: { name: config.chain.name, lowBalanceWei: BigInt(config.chain.lowBalanceWei) },
        hypervisor,
        reconciler,
        template: () => Promise.resolve(config.template.sha256),
        brokers: () => publicIpv6?.troubles(),
        // embedded mode is for trying: nobody is told that it keeps no backups
        ...((config.mode === 'installed' || config.backup.folder !== undefined) && { backups: () => backups.health() }),
        ...(ports.certificate !== undefined && { certificate: ports.certificate }),
        ...(config.mode === 'installed' && { mirrors: () => readMirrors() }),
        wasm: () => (wasm === undefined ? undefined : wasm.delivers() ? 'up' : 'down'),
      }),
  })
  const issues = health
  const metrics = createMetricsServer({
    facts: keeper.facts,
    issues: async () => issues.current(),
    healthy: async () => void (await store.settings.get('health', z.unknown())),
  })
  let wasm: RunningWasm | undefined
  const [first] = contracts
  const publicIpv6 =
    config.network.broker === null || first === undefined
      ? undefined
      : createPublicIpv6({
          answer: config.network.broker,
          chainId: config.chain.chainId,
          contract: first.reader.contract,
          signer: key,
          ...registryWays({ config, clients, key, clock, reader: first.reader, transactions: store.transactions }),
          root: host,
          settings: store.settings,
          clock,
          vms: () => [...keeper.facts().vms.values()],
          ownNames: namesOf(config),
          log: say,
        })
  endings.push(async () => void (await Promise.all(contracts.map((c) => c.provisioner.close()))))
  await Promise.all(contracts.map((c) => c.provisioner.resume()))
  endings.push(() => signIn.outcomesKept())
  endings.push(events.subscribe(keeper.onTask), () => keeper.stop())
  // once the owner has named the next key on every contract, it takes over
  const nextKey = nextKeyIn(secretsFolder)
  let renewed = false
  endings.push(
    keeper.onChange(() => {
      const named = new Set(keeper.facts().contracts.map((c) => c.giving.provisioner.toLowerCase()))
      if (renewed || named.size !== 1 || named.has(key.address)) return
      void (async () => {
        const next = await nextKey.address()
        if (renewed || next === null || !named.has(next)) return
        renewed = true
        await nextKey.promote()
        say('another provisioner key has taken over')
        ports.renew?.()
      })().catch((error: unknown) => say('the next provisioner key could not take over', error))
    }),
  )
  await keeper.start()
  endings.push(() => passWatch.stop())
  passWatch.start()
  endings.push(() => consoles.stop())
  endings.push(() => guests.close())
  await guests.listen(config.listen.login)
  if (config.listen.metrics !== undefined) {
    await metrics.listen(config.listen.metrics)
    endings.push(() => metrics.close())
  }
  endings.push(() => backups.stop())
  backups.start()
  endings.push(() => reconciler.stop())
  await reconciler.start()
  endings.push(() => issues.stop())
  issues.start()
  if (publicIpv6 !== undefined) {
    endings.push(() => publicIpv6.stop())
    await publicIpv6.start()
  }
  if (config.wasm.enabled) {
    const running = startWasm({
      socket: wasmSocketOf(config, ports.stateFolder),
      contracts,
      settings: store.settings,
      clock,
      waitSeconds: config.taking.waitSeconds,
      rows: () => wasmPlanRows(keeper.facts(), clock.now()),
      onChange: keeper.onChange,
      log: say,
    })
    endings.push(() => running.stop())
    wasm = running
  }

  return {
    api: {
      clock,
      host: {
        version: ports.version,
        mode: config.mode,
        origin: config.origin,
        chainId: config.chain.chainId,
        chainName: config.chain.name,
        confirmations: config.chain.confirmations,
        ...(config.network.ipv6 !== null && {
          ipv6Prefix: `${config.network.ipv6.prefix}/${config.network.ipv6.prefixLength}`,
        }),
      },
      publicIpv6: () => publicIpv6,
      facts: keeper.facts,
      token: tokenOf,
      signIn,
      sessions,
      certify: (options) => issueCertificate({ ...options, userCaPath: secrets.userCaPath }),
      consoles,
      passWatch,
      store,
      vmActions: {
        async begin(vmId, action) {
          const row = reconciler.books.get(vmId)
          if (row === undefined) throw new AppError({ code: 'vm-unknown', detail: `There is no VM ${vmId}.` })
          const { installation, tokenId, generation } = row
          return (await beginAction(reconciler, { installation, tokenId, generation }, action)).taskId
        },
      },
      wasm: () => wasm && { url: config.wasm.url ?? wasmUrlOf(config.origin), host: wasm.host },
      issues: async () => issues.current(),
      desk: () => ({
        capacity: async () => {
          const [capacity, { snapshots }] = await Promise.all([hypervisor.capacity(), hypervisor.capabilities()])
          return { capacity, snapshots }
        },
        provisioner: key.address,
        nextProvisioner: nextKey.address,
        makeNextProvisioner: nextKey.make,
        allowDestroys: (vmIds) => reconciler.allowDestroys(vmIds),
        async metrics(vmId) {
          const row = reconciler.books.get(vmId)
          if (row === undefined) throw new AppError({ code: 'vm-unknown', detail: `There is no VM ${vmId}.` })
          const { installation, tokenId, generation } = row
          return await hypervisor.metrics({ installation, tokenId, generation })
        },
        alerts,
        backups,
        settings: shownSettings(config),
      }),
      // a transaction is sent once, to the first node; reads may be asked again
      rpc: (method, params) =>
        method === 'eth_sendRawTransaction' && clients[0] !== undefined
          ? clients[0].send(method, params)
          : firstReachable(clients, (client) => client.call(method, params)),
      log: ports.log,
    },
    async rebuild() {
      const snapshots = await Promise.all(readers.map((reader) => reader.snapshot('latest')))
      const report = await rebuild({ hypervisor, books: reconciler.books, addresses }, snapshots, clock.now())
      keeper.wake()
      reconciler.wake()
      return { vms: report.restored.length + report.unchanged.length, unmatched: report.conflicts }
    },
    backups,
    wake() {
      keeper.wake()
      backups.wake()
      reconciler.wake()
      wasm?.wake()
      issues.wake()
    },
  }
}

/** The name `wasm.` before that of the origin. */
function wasmUrlOf(origin: string): string {
  const url = new URL(origin)
  url.hostname = `wasm.${url.hostname}`
  return url.origin
}

/** Of a failure what may stand in the log: names and texts, no objects. */
export function causesOf(cause: unknown): string {
  const lines: string[] = []
  for (let e = cause; e instanceof Error && lines.length < 6; e = e.cause) lines.push(`${e.name}: ${e.message}`)
  return lines.join(' ← ') || String(cause)
}
