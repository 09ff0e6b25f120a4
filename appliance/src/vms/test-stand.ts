import { vmIdOf, type VmId, type VmKey } from '../chain/installation.ts'
import type { Provisioner } from '../chain/port.ts'
import type { Plan } from '../chain/subscription.ts'
import { MovableClock } from '../clock/clock.ts'
import type { SshdProbe } from '../network/ssh-banner.ts'
import { openStore, type Store } from '../store/store.ts'
import { createReconciler, type Reconciler, type ReconcilerPorts } from './reconciler.ts'
import { TestChain, testPlan } from './test-chain.ts'
import { TestHypervisor } from './test-hypervisor.ts'
import { logInto, testPorts } from './test-ports.ts'

/** A whole daemon's worth of parts around the loop: real store, chain and hypervisor in memory, time to move by hand. */
export class Stand {
  readonly clock = new MovableClock()
  readonly chain: TestChain
  readonly provisioner: Provisioner & { sent: string[] }
  readonly hypervisor = new TestHypervisor()
  readonly store: Store
  readonly sshd: SshdProbe = { waitForBanner: () => Promise.resolve() }
  readonly lines: string[] = []
  /** Guests that do not report: their creates wait. */
  readonly silent = new Set<VmId>()
  reconciler!: Reconciler
  #changes = 0

  private constructor(store: Store, clock: MovableClock, plans: Plan[]) {
    this.store = store
    this.clock = clock
    this.chain = new TestChain(plans, clock.now())
    this.provisioner = this.chain.provisioner()
  }

  static async open(options: { plans?: Plan[]; path?: string } = {}): Promise<Stand> {
    const clock = new MovableClock()
    const stand = new Stand(await openStore(options.path ?? ':memory:', { clock }), clock, options.plans ?? [testPlan()])
    stand.hypervisor.onStart = (key) => void stand.report(key)
    await stand.restart()
    return stand
  }

  ports(changes: Partial<ReconcilerPorts> = {}): ReconcilerPorts {
    return {
      contracts: [{ reader: this.chain, provisioner: this.provisioner, index: 0 }],
      hypervisor: this.hypervisor.port(),
      ...testPorts(this.store, this.clock),
      sshd: this.sshd,
      onTaskEvent: () => (this.#changes += 1),
      log: logInto(this.lines),
      ...changes,
    }
  }

  /** A new daemon on the same world, as after kill -9. */
  async restart(changes: Partial<ReconcilerPorts> = {}): Promise<void> {
    this.reconciler = await createReconciler(this.ports(changes))
  }

  /** What the guest API does when a guest calls. */
  async report(key: VmKey): Promise<void> {
    if (this.silent.has(vmIdOf(key))) return
    const hostKey = {
      fingerprint: `SHA256:${key.tokenId}/${key.generation}`,
      publicKey: `ssh-ed25519 ${key.tokenId}/${key.generation}`,
    }
    await this.store.vms.mark(key, { reportedAt: this.clock.now(), hostKey })
  }

  /** Passes until one changes nothing; reading for taking is no change. Throws after 40: then something turns in circles. */
  async settle(): Promise<void> {
    for (let i = 0; i < 40; i += 1) {
      const before = JSON.stringify([this.hypervisor.calls.length, this.provisioner.sent.length, this.#changes])
      const { began } = await this.reconciler.pass()
      await this.reconciler.settled()
      const after = JSON.stringify([this.hypervisor.calls.length, this.provisioner.sent.length, this.#changes])
      if (before === after && began.every(({ kind }) => kind === 'read-for-taking')) {
        await this.reconciler.pass()
        return await this.reconciler.settled()
      }
    }
    throw new Error('the loop never comes to rest')
  }

  /** Moves both clocks; the chain gets a block at the new time. */
  advance(seconds: number): void {
    this.clock.advance(seconds)
    this.chain.mine(seconds)
  }

  id(tokenId: bigint): VmId {
    return vmIdOf({ installation: this.chain.installation, tokenId })
  }

  vm(tokenId: bigint) {
    return this.hypervisor.records.get(this.id(tokenId))
  }

  issues(): string[] {
    return this.reconciler.status().issues.map((i) => i.code)
  }
}
