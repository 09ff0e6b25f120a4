import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApi, type ApiServer } from '../../api/app.ts'
import { createConsoles } from '../../api/consoles.ts'
import { noFacts, type HostFacts } from '../../api/facts.ts'
import type { ApiPorts } from '../../api/ports.ts'
import type { IssueView } from '../../api/schemas/issues.ts'
import { vmIdOf, type VmId, type VmKey } from '../../chain/installation.ts'
import type { ChainSnapshot } from '../../chain/port.ts'
import { zeroAddress, type Subscription } from '../../chain/subscription.ts'
import { systemClock, type Clock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import { playedBackups, type PlayedBackups } from '../../backup/played-backups.ts'
import { openAlerts } from '../../health/alerts/alerts.ts'
import { declaredIssues } from '../../health/declared-issues.ts'
import { createFakeHypervisor } from '../../hypervisor/fake/fake-hypervisor.ts'
import type { VmRecord, VmSpec } from '../../hypervisor/port.ts'
import { createPassWatch } from '../../sign-in/pass-watch.ts'
import { createSessions } from '../../sign-in/sessions.ts'
import { createSignIn } from '../../sign-in/sign-in.ts'
import { TaskEvents } from '../../steps/task-events.ts'
import { openStore, type Store } from '../../store/store.ts'
import { byGeneration } from '../../vms/world.ts'
import { writeHistory, writeTask, type At } from './invented-history.ts'
import {
  blockAt,
  hashOf,
  inventedChainId,
  inventedInstallation,
  inventedContract,
  inventedRoles,
  inventedSnapshot,
  inventedToken,
  inventedVms,
} from './invented-subscriptions.ts'

export interface InventedHost {
  /** The API behind the public door; not listening yet. */
  app: ApiServer
  store: Store
  /** Issues that stand; may be changed. */
  issues: IssueView[]
  /** Its backups; their world may be changed by hand. */
  backups: PlayedBackups
  /** What its tasks tell whoever follows them; told by hand, as the runner would. */
  events: TaskEvents
  /** Puts what changed in the place of the former facts. */
  refresh(): Promise<void>
  /** A cookie value of a session: the visitor's, who holds pass 0, or another wallet's. */
  sessionToken(address?: string): Promise<string>
  /** Calls every plan so from now on, as no contract would let it be called; undefined: as they are called. */
  renamePlans(name: string | undefined): Promise<void>
  close(): Promise<void>
}

const template = '5eed'.repeat(16)

/**
 * A host that never was: the real API and store over the fake hypervisor, with a year of invented history and an invented
 * network. Everything is made anew at each start, the same each time. Nothing leaves the process.
 */
export async function createInventedHost(options: {
  origin: string
  vms?: number
  /** A host of this minute: nothing was sold on it, nothing has happened, nothing is on sale yet. */
  fresh?: boolean
  clock?: Clock
}): Promise<InventedHost> {
  const fresh = options.fresh === true
  const real = options.clock ?? systemClock
  let written: number | undefined
  const clock: Clock = {
    ...real,
    now: () => written ?? real.now(),
    monotonicMs: () => real.monotonicMs(),
    wait: (ms, s) => real.wait(ms, s),
  }
  const at: At = (moment) => (written = Math.floor(moment))
  const folder = await mkdtemp(join(tmpdir(), 'fh-invented-'))
  const store = await openStore(join(folder, 'freehold.db'), { clock })
  const began = real.now()
  const vms = inventedVms(began, fresh ? 0 : (options.vms ?? 64))
  if (!fresh) await writeHistory(store, vms, began, at)
  // as much machine for each 64 VMs
  const machines = Math.max(1, Math.ceil(vms.length / 64))
  const hypervisor = createFakeHypervisor({
    clock: real,
    storages: ['local'],
    createSeconds: 0,
    diskGiB: 14_000 * machines,
    memoryMiB: 393_216 * machines,
  })
  await hypervisor.importTemplate({ path: 'fake:invented', sha256: template })
  for (const [i, vm] of vms.entries()) await place(i, vm.subscription, vm.wanted)
  const preparing = vms.find((vm) => vm.wanted === 'preparing')
  const running =
    preparing &&
    (await writeTask(store, at, {
      kind: 'create',
      subject: vmIdOf(preparing.subscription),
      begun: began - 30,
      ended: null,
      steps: ['disk', 'start', 'report', 'activate'],
      lines: ['the disk stands upon template 5eed5eed', 'the guest has begun'],
    }))
  written = undefined

  /** Makes one VM on the fake hypervisor, and its row in the store, as its story wants it. */
  async function place(i: number, s: Subscription, wanted: (typeof vms)[number]['wanted']): Promise<void> {
    if (wanted === 'waiting-for-confirmation' || wanted === 'preparing') return
    const plan = inventedSnapshot('latest', vms, began).plans.find((p) => p.planId === s.planId)
    const key: VmKey = { installation: inventedInstallation, tokenId: s.tokenId, generation: 1 }
    const spec: VmSpec = {
      key,
      vcpus: plan?.vcpus ?? 1,
      memoryMiB: plan?.memoryMiB ?? 1024,
      diskGiB: plan?.diskGiB ?? 10,
      addresses: { ipv4: `10.77.0.${10 + (i % 200)}`, ipv6: `2001:db8:5eed::${(10 + i).toString(16)}`, sshPort: 20_000 + i },
      mac: `52:54:00:5e:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`,
      template,
      origin: { buyer: s.buyer, boughtBlock: s.boughtBlock },
      seed: { userData: '', metaData: '', networkConfig: '', freeholdJson: '{}' },
    }
    const publicKey = `ssh-ed25519 ${Buffer.concat([Buffer.from('0000000b7373682d6564323535313900000020', 'hex'), Buffer.alloc(32, i + 1)]).toString('base64')}`
    const hostKey = {
      fingerprint: `SHA256:${Buffer.alloc(32, i + 1)
        .toString('base64')
        .replace(/=+$/, '')}`,
      publicKey,
    }
    const { seed: _, ...kept } = spec
    await store.vms.put({
      ...kept,
      installation: key.installation,
      tokenId: key.tokenId,
      generation: 1,
      planId: s.planId,
      hostKey,
      createdAt: s.boughtAt,
      secretUsedAt: s.activatedAt,
      reportedAt: s.activatedAt,
      activateIntentAt: s.activatedAt,
      activatedSeenAt: s.activatedAt,
      graceOverSeenSince: null,
      destroyedAt: null,
    })
    if (wanted === 'missing') return
    await hypervisor.create(spec)
    await hypervisor.setFacts(key, { hostKey, activating: true })
    if (wanted === 'running' || wanted === 'ends-soon') await hypervisor.start(key)
    if (i % 5 === 0 && wanted === 'running') await hypervisor.snapshot(key, 'before-upgrade')
  }

  /** The node of one VM does not answer, as in a cluster: nobody knows whether it runs. */
  const unknown = new Set(vms.filter((vm) => vm.wanted === 'unknown').map((vm) => vmIdOf(vm.subscription)))
  const asSeen = (id: VmId, record: VmRecord): VmRecord => (unknown.has(id) ? { ...record, state: 'unknown' } : record)
  let planName: string | undefined
  const asCalled = (snapshot: ChainSnapshot): ChainSnapshot => ({
    ...snapshot,
    plans: fresh ? [] : snapshot.plans.map((plan) => ({ ...plan, name: planName ?? plan.name })),
  })
  let facts: HostFacts = noFacts
  const tasks = new Map(running === undefined ? [] : [[running.subject, running]])
  const events = new TaskEvents()
  async function refresh(): Promise<void> {
    const now = real.now()
    const block = { number: blockAt(now), hash: hashOf(1, blockAt(now)), timestamp: now }
    const { newest } = byGeneration(await hypervisor.list())
    const heads = { latest: block, giving: block, finalized: block, stale: false, standing: false, agreeing: 1 }
    facts = {
      contracts: [
        { latest: asCalled(inventedSnapshot('latest', vms, now)), giving: asCalled(inventedSnapshot('giving', vms, now)) },
      ],
      heads,
      vms: new Map((await store.vms.list()).map((vm) => [vmIdOf(vm), vm])),
      records: new Map([...newest].map(([id, record]) => [id, asSeen(id, record)])),
      tasks: new Map(tasks),
      hypervisor: await hypervisor.capabilities(),
      notices: [{ code: 'demo', title: 'This is a demo: everything is invented' }],
      storefront: { open: true },
    }
  }
  await refresh()
  const stopping = new AbortController()
  const following = (async () => {
    while (!stopping.signal.aborted) {
      await real.wait(5000, stopping.signal)
      await refresh()
    }
  })()

  const latestChain = {
    contract: (installation: string) => (installation === inventedInstallation ? inventedContract : undefined),
    latest: (installation: string, tokenId: bigint) => {
      const [first] = facts.contracts
      if (first === undefined || installation !== inventedInstallation) return undefined
      return { subscription: first.latest.subscriptions.get(tokenId), block: first.latest.block, stale: false }
    },
    onChange: () => () => undefined,
  }
  const silent = (): void => undefined
  const signIn = createSignIn({
    clock,
    origin: options.origin,
    chainId: inventedChainId,
    mode: 'embedded',
    chain: () => undefined,
    latestChain,
    loopbackIsShared: () => false,
    vms: store.vms,
    outcomes: store.loginOutcomes,
    audit: store.audit,
    rateLimits: store.rateLimits,
    statementKey: generateKeyPairSync('ed25519').privateKey,
    log: silent,
  })
  const passWatch = await createPassWatch({
    clock,
    facts: () => facts,
    isStale: () => false,
    onChange: () => () => undefined,
    rows: store.passWatch,
    cutConnections: () => Promise.resolve(),
    log: silent,
  })
  const consoles = createConsoles({
    clock,
    latestChain,
    facts: () => facts,
    openConsole: (vm) => hypervisor.console(vm),
    audit: store.audit,
    log: silent,
  })
  const sessions = createSessions({ clock, sessions: store.sessions })
  const alerts = await openAlerts({
    clock,
    file: join(folder, 'secrets/alerts.json'),
    settings: store.settings,
    host: new URL(options.origin).host,
    log: silent,
  })
  const backups = playedBackups({ clock, installation: inventedInstallation, daysAgo: fresh ? [] : [0, 1, 2, 3, 4, 5, 6] })
  const issues: IssueView[] = fresh
    ? []
    : [
        issue(
          'provisioner-balance-low',
          inventedInstallation,
          `${inventedRoles.provisioner} has 0.0123 of its coin left.`,
          began - 5400,
        ),
        issue(
          'vm-missing',
          vmIdOf(vms[4]?.subscription ?? { installation: inventedInstallation, tokenId: 1n }),
          'Its disk is not in the pool.',
          began - 900,
        ),
        issue(
          'plan-capacity',
          `${inventedInstallation} plan 2`,
          'Plan Large offers 3 more, and 2 fit. Set its capacity to 14.',
          began - 90_000,
        ),
        issue('single-rpc', inventedInstallation, 'Invented network: one node.', began - 900_000),
      ]
  let nextKey: `0x${string}` | null = null

  /** Does at once on the fake hypervisor what a task would do in steps, and writes the task down. */
  async function act(vmId: string, action: string): Promise<string> {
    const record = facts.records?.get(vmId as never)
    if (record === undefined) throw new AppError({ code: 'vm-unknown', detail: `There is no VM ${vmId}.` })
    const { key } = record
    if (action === 'start') await hypervisor.start(key)
    if (action === 'stop') await hypervisor.stop(key, 'force')
    if (action === 'reboot') await hypervisor.stop(key, 'force').then(() => hypervisor.start(key))
    if (action === 'snapshot') await hypervisor.snapshot(key, 'by-hand')
    const now = real.now()
    const task = await writeTask(store, () => undefined, {
      kind: action,
      subject: vmId,
      begun: now,
      ended: now,
      steps: [action],
      lines: [`${action}: done`],
    })
    await refresh()
    events.emit({ type: 'task', task })
    return task.taskId
  }

  const ports: ApiPorts = {
    clock,
    host: {
      version: '0.1.0',
      mode: 'embedded',
      origin: options.origin,
      chainId: inventedChainId,
      chainName: 'Invented network',
      confirmations: 3,
    },
    facts: () => facts,
    token: (address) =>
      address === inventedToken ? { symbol: 'USDX', decimals: 6, permit: true } : { symbol: 'ETH', decimals: 18, permit: false },
    signIn,
    sessions,
    certify: () => Promise.reject(new AppError({ code: 'not-supported', detail: 'There is no VM to log in to here.' })),
    consoles,
    passWatch,
    store,
    tasks: events,
    vmActions: { begin: act },
    issues: () => Promise.resolve(issues),
    desk: () => ({
      capacity: async () => ({ capacity: await hypervisor.capacity(), snapshots: true }),
      provisioner: inventedRoles.provisioner,
      nextProvisioner: () => Promise.resolve(nextKey),
      makeNextProvisioner: () => Promise.resolve((nextKey ??= `0x${randomBytes(20).toString('hex')}`)),
      allowDestroys(vmIds) {
        const left = issues.filter((i) => i.code !== 'destroys-waiting' || !vmIds.includes(i.subject as never))
        issues.splice(0, issues.length, ...left)
        return Promise.resolve()
      },
      async metrics(vmId) {
        const record = facts.records?.get(vmId)
        if (record === undefined) throw new AppError({ code: 'vm-unknown', detail: `There is no VM ${vmId}.` })
        return inventedMetrics(real.now(), Number(record.key.tokenId), record.spec.memoryMiB)
      },
      alerts,
      backups,
      settings: [
        { key: 'mode', value: 'embedded' },
        { key: 'hypervisor.kind', value: 'fake' },
        { key: 'chain.name', value: 'Invented network' },
        { key: 'chain.confirmations', value: '3' },
      ],
    }),
    rpc: (method, params) => {
      // nothing was ever sent on a fresh host's network
      const unknown = fresh && method === 'eth_getTransactionReceipt'
      return Promise.resolve(unknown ? null : inventedAnswer(method, params, real.now()))
    },
    log: { info: silent, error: silent },
  }
  const app = await createApi(ports, { door: 'public' })
  return {
    app,
    store,
    issues,
    backups,
    events,
    refresh,
    sessionToken: async (address: string = inventedRoles.visitor) => (await sessions.create(address, '127.0.0.1')).token,
    async renamePlans(name) {
      planName = name
      await refresh()
    },
    async close() {
      stopping.abort()
      await following
      await consoles.stop()
      await app.close()
      await hypervisor.close()
      await store.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** An issue in the words in which it is declared. */
function issue(code: string, subject: string, detail: string, since: number): IssueView {
  const found = declaredIssues.find((d) => d.code === code)
  if (found === undefined) throw new Error(`there is no issue ${code}`)
  const { title, severity, effect, remedy } = found
  return { code, subject, severity, title, effect: `${detail} ${effect}`, remedy, since }
}

/** Counters that grow as those of a working machine would. */
function inventedMetrics(now: number, tokenId: number, memoryMiB: number) {
  const wave = Math.sin(now / 60 + tokenId)
  const worked = now * 0.12 + Math.sin(now / 40 + tokenId) * 3
  return {
    at: now,
    cpuSeconds: worked,
    memoryUsedMiB: Math.round(memoryMiB * (0.42 + 0.08 * wave)),
    diskReadBytes: Math.round(now * 9000 + wave * 100_000),
    diskWrittenBytes: Math.round(now * 21_000 + wave * 200_000),
    networkReceivedBytes: Math.round(now * 34_000 + wave * 300_000),
    networkSentBytes: Math.round(now * 12_000 + wave * 90_000),
  }
}

/** What the invented network answers; enough for every page that only reads. */
function inventedAnswer(method: string, params: readonly unknown[], now: number): unknown {
  const hex = (n: number | bigint) => `0x${n.toString(16)}`
  switch (method) {
    case 'eth_chainId':
      return hex(inventedChainId)
    case 'eth_blockNumber':
      return hex(blockAt(now))
    case 'eth_getBalance':
      return hex(12_300_000_000_000_000n)
    case 'eth_gasPrice':
      return hex(2_000_000_000)
    case 'eth_call': {
      const { data = '' } = (params[0] ?? {}) as { data?: string }
      const amount = data.includes(inventedToken.slice(2)) ? 48_250_000n : 31_000_000_000_000_000n
      return `0x${amount.toString(16).padStart(64, '0')}`
    }
    case 'eth_getTransactionReceipt':
      return {
        status: '0x1',
        from: inventedRoles.provisioner,
        to: inventedContract,
        blockNumber: hex(blockAt(now) - 40),
        gasUsed: hex(71_204),
        effectiveGasPrice: hex(1_700_000_000),
        logs: [],
        transactionHash: params[0],
        contractAddress: null,
        token: zeroAddress,
      }
    default:
      return null
  }
}
