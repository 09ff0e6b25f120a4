import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Wallet } from 'ethers'
import type { ChainSnapshot } from '../chain/port.ts'
import { zeroAddress, type Plan } from '../chain/subscription.ts'
import { issueCertificate } from '../sign-in/certificates/issue.ts'
import { loadOrCreateSecrets } from '../sign-in/secrets.ts'
import { createSessions } from '../sign-in/sessions.ts'
import { createSignIn, type SignIn } from '../sign-in/sign-in.ts'
import { signInText, type Act } from '../sign-in/sign-in-text.ts'
import { signInStand, testChainId, testContract, testInstallation, holder, type SignInStand } from '../sign-in/test-stand.ts'
import { TaskEvents } from '../steps/task-events.ts'
import { createConsoles } from './consoles.ts'
import { createPassWatch, type PassWatch } from '../sign-in/pass-watch.ts'
import { echoConsole } from '../hypervisor/fake/fake-console.ts'
import { createApi, type ApiServer } from './app.ts'
import { noFacts, type HostFacts } from './facts.ts'
import type { Address } from '../chain/subscription.ts'
import { openAlerts } from '../health/alerts/alerts.ts'
import { playedBackups, type PlayedBackups } from '../backup/played-backups.ts'
import type { ApiPorts, OperatorDesk } from './ports.ts'
import type { IssueView } from './schemas/issues.ts'
import type { LoginRequestView } from './schemas/sign-in.ts'

export const testOrigin = 'http://localhost:8080'

export const testPlan: Plan = {
  planId: 0,
  name: 'Small',
  kind: 'vm',
  vcpus: 1,
  memoryMiB: 512,
  diskGiB: 4,
  gasPerDay: 0n,
  graceSeconds: 7 * 86_400,
  activationDeadlineSeconds: 3600,
  minSeconds: 86_400,
  maxSeconds: 90 * 86_400,
  capacity: 3,
  used: 1,
  open: true,
  prices: [{ token: zeroAddress, pricePerDay: 1000n }],
}

/** What came back: headers as Node gives them, the body parsed where it is JSON. */
export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
  body: Record<string, unknown>
}

/** A browser or CLI with its own address, as Caddy would show it on the socket. */
export interface TestClient {
  address: string
  cookies: Map<string, string>
  token?: string
  call(
    method: string,
    path: string,
    options?: { body?: unknown; raw?: string; headers?: Record<string, string> },
  ): Promise<Answer>
}

export interface ApiStand extends SignInStand {
  app: ApiServer
  socketPath: string
  signIn: SignIn
  apiPorts: ApiPorts
  facts: HostFacts
  performed: unknown[]
  /** What else was asked of host and chain. */
  asked: string[]
  tasks: TaskEvents
  logged: string[]
  /** Open serial lines of the hypervisor. */
  serial: ReadonlySet<{ end(): void }>
  /** VMs whose connections were cut. */
  cuts: string[]
  passWatch: PassWatch
  /** Played backups, whose world may be changed by hand. */
  backups: PlayedBackups
  /** The issues that stand. */
  standing: IssueView[]
  /** Puts further facts in the place of the former ones; holdings follow the chain of the stand. */
  refresh(changes?: Partial<HostFacts>): Promise<void>
  client(address?: string): TestClient
  /** Signs in through the API as a browser would. */
  signedIn(wallet?: Wallet, address?: string): Promise<TestClient>
  close(): Promise<void>
}

/** The whole API on a unix socket, over real SQLite; chain and hypervisor are what the test says. */
export async function apiStand(
  mode: 'embedded' | 'installed' = 'installed',
  door: 'public' | 'host' = 'public',
  origin = testOrigin,
): Promise<ApiStand> {
  const stand = await signInStand(mode, origin)
  const folder = await mkdtemp(join(tmpdir(), 'fh-api-'))
  const socketPath = join(folder, 'api.sock')
  const signIn = createSignIn(stand.ports)
  const tasks = new TaskEvents()
  const performed: unknown[] = []
  const asked: string[] = []
  const logged: string[] = []
  let facts: HostFacts = { ...noFacts }
  const serial = new Set<ReturnType<typeof echoConsole>>()
  const cuts: string[] = []
  const passWatch = await createPassWatch({
    clock: stand.clock,
    facts: () => facts,
    isStale: () => stand.chain.heads.stale,
    onChange: (listener) => stand.chain.onChange(listener),
    rows: stand.store.passWatch,
    cutConnections: (vm) => Promise.resolve(void cuts.push(`${vm.installation}-${vm.tokenId}`)),
    log: (line) => logged.push(line),
  })
  const consoles = createConsoles({
    clock: stand.clock,
    latestChain: stand.chain,
    facts: () => facts,
    openConsole() {
      const stream = echoConsole(() => serial.delete(stream))
      serial.add(stream)
      return Promise.resolve(stream)
    },
    audit: stand.store.audit,
    log: (line) => logged.push(line),
  })
  const standing: IssueView[] = []
  const alerts = await openAlerts({
    clock: stand.clock,
    file: join(folder, 'alerts.json'),
    settings: stand.store.settings,
    host: new URL(origin).host,
    log: (line) => void logged.push(line),
  })
  let next: Address | null = null
  const backups = playedBackups({ clock: stand.clock, installation: testInstallation, daysAgo: [0, 1] })
  const desk: OperatorDesk = {
    capacity: () =>
      Promise.resolve({
        snapshots: true,
        capacity: {
          diskTotalBytes: 100 * 2 ** 30,
          diskFreeBytes: 80 * 2 ** 30,
          diskUnpromisedBytes: 40 * 2 ** 30,
          memoryTotalMiB: 4096,
          memoryUnpromisedMiB: 2048,
          vcpus: 4,
        },
      }),
    provisioner: `0x${'77'.repeat(20)}`,
    nextProvisioner: () => Promise.resolve(next),
    makeNextProvisioner() {
      asked.push('makeNextProvisioner')
      return Promise.resolve((next = `0x${'88'.repeat(20)}`))
    },
    allowDestroys(vmIds) {
      asked.push(`allowDestroys ${vmIds.join(' ')}`)
      return Promise.resolve()
    },
    metrics: () =>
      Promise.resolve({
        at: stand.clock.now(),
        cpuSeconds: 12,
        memoryUsedMiB: 200,
        diskReadBytes: 1,
        diskWrittenBytes: 2,
        networkReceivedBytes: 3,
        networkSentBytes: null,
      }),
    alerts,
    backups,
    settings: [{ key: 'mode', value: mode }],
  }
  const apiPorts: ApiPorts = {
    clock: stand.clock,
    host: { version: '0.1.0', mode, origin, chainId: testChainId, chainName: 'Local network', confirmations: 1 },
    facts: () => facts,
    token: () => ({ symbol: 'ETH', decimals: 18, permit: false }),
    signIn,
    sessions: createSessions({ clock: stand.clock, sessions: stand.store.sessions }),
    async certify(options) {
      const { userCaPath } = await loadOrCreateSecrets(join(folder, 'secrets'))
      return await issueCertificate({ ...options, userCaPath })
    },
    consoles,
    passWatch,
    store: stand.store,
    tasks,
    vmActions: {
      async begin(vmId, action) {
        performed.push({ vmId, action })
        const taskId = `task-${performed.length}`
        await stand.store.tasks.put({
          taskId,
          kind: action,
          subject: vmId,
          state: 'running',
          steps: [],
          error: null,
          attempt: 1,
          createdAt: stand.clock.now(),
          endedAt: null,
        })
        return taskId
      },
    },
    desk: () => desk,
    issues: () => Promise.resolve(standing),
    rpc(method) {
      if (method === 'eth_sendRawTransaction') asked.push(method)
      return Promise.resolve(method === 'eth_chainId' ? '0x7a69' : null)
    },
    log: {
      info: (fields, line) => logged.push(JSON.stringify({ ...fields, line })),
      error: (fields, line) => logged.push(JSON.stringify({ ...fields, line })),
    },
  }
  const app = await createApi(apiPorts, { door })
  await app.listen({ path: socketPath })

  function snapshot(depth: 'latest' | 'giving'): ChainSnapshot {
    const subscription = depth === 'latest' ? stand.chain.latestSubscription : stand.chain.giving
    return {
      installation: testInstallation,
      contract: testContract,
      depth,
      block: stand.chain.heads[depth],
      nextTokenId: 43n,
      subscriptions: new Map(subscription === undefined || subscription.state === 'ended' ? [] : [[42n, subscription]]),
      plans: [testPlan],
      owner: zeroAddress,
      treasury: zeroAddress,
      provisioner: zeroAddress,
      buyingPaused: false,
      operator: zeroAddress,
    }
  }

  const result: ApiStand = {
    ...stand,
    app,
    socketPath,
    signIn,
    apiPorts,
    performed,
    asked,
    tasks,
    logged,
    serial,
    cuts,
    passWatch,
    backups,
    standing,
    get facts() {
      return facts
    },
    async refresh(changes = {}) {
      const rows = await stand.store.vms.list()
      const vms = new Map(rows.map((row) => [`${row.installation}-${row.tokenId}`, row]))
      facts = {
        ...noFacts,
        contracts: [{ latest: snapshot('latest'), giving: snapshot('giving') }],
        // a node that follows: its newest block is of now, unless the test says that it fell silent
        heads: stand.chain.heads.stale
          ? stand.chain.heads
          : { ...stand.chain.heads, latest: { ...stand.chain.heads.latest, timestamp: stand.clock.now() } },
        vms,
        records: new Map(
          rows.map((row) => [
            `${row.installation}-${row.tokenId}`,
            {
              key: { installation: row.installation, tokenId: row.tokenId, generation: row.generation },
              state: 'running' as const,
              autostart: true,
              spec: { ...row },
              facts: { hostKey: row.hostKey, activating: true },
              snapshots: ['before'],
            },
          ]),
        ),
        storefront: { open: true },
        ...changes,
      }
    },
    client: (address = '203.0.113.7') => testClient(socketPath, address),
    async signedIn(wallet = holder, address = '203.0.113.7') {
      const client = testClient(socketPath, address)
      const begun = await client.call('POST', '/v1/login-requests', { body: { act: 'session' } })
      const view = begun.body as unknown as LoginRequestView
      const approval = await client.call('POST', `/v1/login-requests/${view.code}/approval`, {
        body: await approvalOf(view, wallet),
      })
      if (approval.status !== 200) throw new Error(approval.text)
      const session = await client.call('POST', '/v1/sessions', { body: { requestId: view.requestId } })
      if (session.status !== 201) throw new Error(session.text)
      return client
    },
    async close() {
      await app.close()
      await stand.store.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
  return result
}

/** The body of an approval: the text rebuilt from the view and signed, as page and CLI do it. */
export async function approvalOf(view: LoginRequestView, wallet: Wallet): Promise<{ address: string; signature: string }> {
  const text = signInText({
    act: view.act as Act,
    origin: view.origin,
    address: wallet.address,
    chainId: view.chainId,
    source: view.source,
    code: view.code,
    nonce: view.nonce,
    issuedAt: view.issuedAt,
    expiresAt: view.expiresAt,
    requestId: view.requestId,
    ...(view.contract !== null && {
      vm: { contract: view.contract, tokenId: BigInt(view.tokenId ?? 0), generation: view.generation ?? 0 },
    }),
    ...(view.hostKey !== null && { hostKey: view.hostKey }),
    ...(view.user !== null && { user: view.user }),
  })
  return { address: wallet.address, signature: await wallet.signMessage(text) }
}

let serial = 0

function testClient(socketPath: string, address: string): TestClient {
  const client: TestClient = {
    address,
    cookies: new Map(),
    async call(method, path, { body, raw, headers = {} } = {}) {
      const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body))
      const cookie = [...client.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const { promise, resolve, reject } = Promise.withResolvers<Answer>()
      const request = httpRequest(
        {
          socketPath,
          method,
          path,
          headers: {
            host: new URL(testOrigin).host,
            'x-forwarded-for': address,
            ...(method !== 'GET' && { origin: testOrigin, 'idempotency-key': `test-key-${(serial += 1)}` }),
            ...(payload !== undefined && {
              'content-type': 'application/json',
              'content-length': String(Buffer.byteLength(payload)),
            }),
            ...(cookie !== '' && { cookie }),
            ...(client.token !== undefined && { authorization: `Bearer ${client.token}` }),
            ...headers,
          },
        },
        (response) => {
          let text = ''
          response.setEncoding('utf8')
          response.on('data', (chunk: string) => (text += chunk))
          response.on('end', () => {
            for (const line of response.headers['set-cookie'] ?? []) {
              const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
              if (value === '') client.cookies.delete(name)
              else client.cookies.set(name, value)
            }
            const json = /json\b/.test(response.headers['content-type'] ?? '') && text !== ''
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text, body: json ? JSON.parse(text) : {} })
          })
        },
      )
      request.on('error', reject)
      request.end(payload)
      return await promise
    },
  }
  return client
}
