import type { Contract } from 'ethers'
import type { PlanView } from '@freehold/appliance/api/schemas/status'
import type { ConsoleEnd } from '@freehold/appliance/api/schemas/console'
import type { TaskView } from '@freehold/appliance/api/schemas/tasks'
import type { wasmOperatorSchema, wasmSchema } from '@freehold/appliance/api/schemas/wasm'
import type { z } from 'zod'
import type { VmView } from '@freehold/appliance/api/schemas/vms'
import { unreadToken } from '@freehold/appliance/chain/erc20'
import { installationId, vmIdOf } from '@freehold/appliance/chain/installation'
import type { Address } from '@freehold/appliance/chain/subscription'
import type { LoginRequestView } from '@freehold/appliance/api/schemas/sign-in'

/** A sign-in as the stand's host keeps it. */
export interface StandRequest extends Omit<LoginRequestView, 'browserAddress' | 'direct' | 'now'> {
  /** Cookie of the browser that asked; null for a terminal. */
  askedBy: string | null
  signer: string | null
  replyCode: string | null
  triesLeft: number
  /** Why it was denied, where not by *Not me*. */
  reason?: { code: string; text: string }
}

/** How long each phase of a delivery takes here, in milliseconds. */
const phaseMs = 250
const reinstallStepMs = 400
const reinstallSteps = ['entitled', 'keep-running', 'generation', 'disk', 'start', 'guest-report', 'sshd'] as const
const phases = ['addresses', 'disk', 'start', 'guest-report', 'sshd', 'activate'] as const

/** A VM as the stand's hypervisor has it; what is paid and until when is asked of the real contract. */
interface StandVm {
  firstSeenAt: number
  stopped: boolean
  snapshots: string[]
  activating: boolean
  generation: number
  /** Who held the pass when the host last looked, and who before in this generation. */
  holder: string | null
  former: string | null
  /** The reinstall that goes on, and when it began. */
  reinstallAt: number | null
}

/**
 * A small honest host without a hypervisor: purchases are those of the real contract on a real node, activated with the
 * provisioner's key after some made-up phases. Tests change it only by what could happen to a host.
 */
export class PagesWorld {
  readonly #contract: Contract
  readonly contractAddress: string
  readonly installation: string
  readonly #chainId: number
  readonly tokens: Map<string, { symbol: string; decimals: number; permit: boolean }>
  readonly vms = new Map<string, StandVm>()
  readonly requests = new Map<string, StandRequest>()
  readonly sessions = new Map<string, { sessionId: string; address: string; createdAt: number }>()
  /** Nothing is delivered and no reinstall ends while this is set: a host under load, or one that never gets to it. */
  deliveryHeld = false
  /** Open consoles; a test ends one as the hypervisor or the chain would. */
  readonly consoles = new Set<{ vmId: string; end(code: ConsoleEnd, text: string): void; typed: string }>()
  closedBecause: string | null = null
  /** The contract has no plans yet. */
  nothingOnSale = false
  /** As the operator wrote it in the answers. */
  networkName = 'Local network'
  stale = false
  /** What the host says of WebAssembly; by default it runs none. */
  wasm: { own: z.input<typeof wasmSchema>; operator: z.input<typeof wasmOperatorSchema> } | undefined
  notices: { code: string; title: string }[] = [
    {
      code: 'no-isolation',
      title: 'This host runs in embedded mode: VMs are not isolated from each other. Do not put secrets on it.',
    },
  ]

  constructor(options: { contract: Contract; address: string; chainId: number; tokens: PagesWorld['tokens'] }) {
    this.#contract = options.contract
    this.contractAddress = options.address
    this.#chainId = options.chainId
    this.installation = installationId(options.chainId, options.address)
    this.tokens = options.tokens
  }

  async #read(name: string, ...args: unknown[]): Promise<unknown> {
    return (await this.#contract.getFunction(name).staticCall(...args)) as unknown
  }

  async plans(): Promise<{ plans: PlanView[]; buyingPaused: boolean }> {
    const count = Number(await this.#read('planCount'))
    const plans: PlanView[] = []
    for (let planId = 0; planId < count; planId++) {
      // oxlint-disable-next-line typescript/no-explicit-any -- what ethers decodes has no type of its own
      const view = (await this.#read('plan', planId)) as any
      const p = view.plan
      plans.push({
        planId,
        installation: this.installation,
        contract: this.contractAddress,
        name: p.name,
        kind: 'vm',
        vcpus: Number(p.vcpus),
        memoryMiB: Number(p.memoryMiB),
        diskGiB: Number(p.diskGiB),
        gasPerDay: '0',
        graceSeconds: Number(p.graceSeconds),
        activationDeadlineSeconds: Number(p.activationDeadlineSeconds),
        minSeconds: Number(p.minSeconds),
        maxSeconds: Number(p.maxSeconds),
        capacity: Number(p.capacity),
        available: Number(p.capacity) - Number(view.used),
        open: p.open,
        prices: view.prices.map((x: { token: string; perDay: bigint }) => ({
          token: x.token.toLowerCase(),
          pricePerDay: x.perDay.toString(),
          ...(this.tokens.get(x.token.toLowerCase()) ?? unreadToken(x.token.toLowerCase() as Address)),
        })),
      })
    }
    return { plans, buyingPaused: (await this.#read('buyingPaused')) as boolean }
  }

  async nextTokenId(): Promise<bigint> {
    return BigInt(String(await this.#read('nextTokenId')))
  }

  /** The VM of a pass at the newest block, or undefined if that was never sold. */
  async vm(tokenId: bigint): Promise<VmView | undefined> {
    if (tokenId <= 0n || tokenId >= (await this.nextTokenId())) return undefined
    // oxlint-disable-next-line typescript/no-explicit-any -- as above
    const s = (await this.#read('subscription', tokenId)) as any
    const phase = Number(await this.#read('entitlement', tokenId))
    const entitlement = (['pending', 'active', 'grace', 'graceOver', 'ended'] as const)[phase - 1] ?? 'ended'
    const { plans } = await this.plans()
    const plan = plans[Number(s.planId)]
    if (plan === undefined) return undefined
    const vmId = vmIdOf({ installation: this.installation, tokenId })
    const own = this.#own(vmId)
    const delivered = entitlement !== 'pending'
    const holder = String(s.holder).toLowerCase()
    if (own.holder !== null && own.holder !== holder) own.former = own.holder
    own.holder = holder
    const task = this.#reinstall(vmId, own)
    const token = this.tokens.get(s.token.toLowerCase()) ?? unreadToken(s.token.toLowerCase() as Address)
    const state =
      entitlement === 'pending'
        ? 'preparing'
        : entitlement === 'active'
          ? task !== null
            ? 'preparing'
            : own.stopped
              ? 'stopped'
              : 'running'
          : entitlement === 'grace'
            ? 'suspended'
            : entitlement === 'graceOver'
              ? 'ending'
              : 'ended'
    const port = 20_000 + Number(tokenId)
    const off = (reason: string) => ({ allowed: false, reason })
    const on = { allowed: true, reason: null }
    const running = state === 'running'
    return {
      vmId,
      hostname: `vm-${tokenId}`,
      generation: own.generation,
      state,
      note: null,
      subscription: {
        vmId,
        installation: this.installation,
        contract: this.contractAddress,
        tokenId: String(tokenId),
        planId: plan.planId,
        planName: plan.name,
        holder: s.holder,
        entitlement,
        token: s.token.toLowerCase(),
        symbol: token.symbol,
        decimals: token.decimals,
        seconds: Number(s.duration),
        boughtAt: Number(s.boughtAt),
        activationDeadline: Number(s.activationDeadline),
        activatedAt: Number(s.activatedAt),
        expiresAt: Number(s.expiresAt),
        graceEndsAt: Number(s.graceEndsAt),
        paid: String(s.paid),
        refundable: entitlement === 'active' ? String(await this.#read('refundable', tokenId)) : '0',
      },
      vcpus: plan.vcpus,
      memoryMiB: plan.memoryMiB,
      diskGiB: plan.diskGiB,
      gasPerDay: '0',
      addresses: { ipv4: '10.77.0.11', ipv6: '2001:db8:77::11', sshPort: port },
      ssh:
        delivered && task === null
          ? {
              user: 'owner',
              host: '127.0.0.1',
              port,
              command: `ssh -p ${port} owner@127.0.0.1`,
              hostKeyFingerprint: 'SHA256:uNiVztksCsDhcc0u9e8BrUiDv0b7C6Xo5k3Gq0o0w7E',
              knownHostsLine: `[127.0.0.1]:${port} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFreeholdFreeholdFreeholdFreeholdFreeholdFre`,
            }
          : null,
      actions: [
        { action: 'start', ...(state === 'stopped' ? on : off('Only for stopped VMs.')) },
        { action: 'stop', ...(running ? on : off('Only for running VMs.')) },
        { action: 'reboot', ...(running ? on : off('Only for running VMs.')) },
        { action: 'snapshot', ...(running || state === 'stopped' ? on : off('Only for running or stopped VMs.')) },
        { action: 'rollback', ...(own.snapshots.length > 0 ? on : off('There is no snapshot.')) },
        { action: 'reinstall', ...(running || state === 'stopped' ? on : off('Only for running or stopped VMs.')) },
        { action: 'console', ...(running ? on : off('Only for running VMs.')) },
      ],
      snapshots: own.snapshots,
      formerHolder: own.former,
      task,
      hypervisorPage: null,
    }
  }

  /** The work of a reinstall in its steps, or null once it is through; then the disk is fresh. */
  #reinstall(vmId: string, own: StandVm): TaskView | null {
    if (own.reinstallAt === null) return null
    const passed = Math.floor((performance.now() - own.reinstallAt) / reinstallStepMs)
    const at = this.deliveryHeld ? Math.min(passed, reinstallSteps.indexOf('disk')) : passed
    if (at >= reinstallSteps.length) {
      own.reinstallAt = null
      return null
    }
    const createdAt = Math.floor(Date.now() / 1000)
    return {
      taskId: `reinstall-${own.generation}`,
      kind: 'reinstall',
      subject: vmId,
      state: 'running',
      steps: reinstallSteps.map((name, i) => ({
        name,
        state: i < at ? 'done' : i === at ? 'running' : 'waiting',
        startedAt: i <= at ? createdAt : null,
        endedAt: i < at ? createdAt : null,
        phase: null,
      })),
      error: null,
      attempt: 1,
      createdAt,
      endedAt: null,
    }
  }

  #own(vmId: string): StandVm {
    let own = this.vms.get(vmId)
    if (own === undefined) {
      own = {
        firstSeenAt: performance.now(),
        stopped: false,
        snapshots: [],
        activating: false,
        generation: 1,
        holder: null,
        former: null,
        reinstallAt: null,
      }
      this.vms.set(vmId, own)
    }
    return own
  }

  /** The phase that a pending VM is in; null once all are through. */
  phaseOf(vmId: string): string | null {
    const done = Math.floor((performance.now() - this.#own(vmId).firstSeenAt) / phaseMs)
    return phases[this.deliveryHeld ? Math.min(done, 1) : done] ?? 'activate'
  }

  /** Activates what has been through its phases. Called again and again. */
  async deliver(): Promise<void> {
    if (this.deliveryHeld) return
    const next = await this.nextTokenId()
    for (let tokenId = 1n; tokenId < next; tokenId++) {
      if (Number(await this.#read('entitlement', tokenId)) !== 1) continue
      const vmId = vmIdOf({ installation: this.installation, tokenId })
      const own = this.#own(vmId)
      if (own.activating || performance.now() - own.firstSeenAt < phaseMs * phases.length) continue
      own.activating = true
      await (await this.#contract.getFunction('activate').send(tokenId)).wait()
    }
  }

  get chainId(): number {
    return this.#chainId
  }
}
