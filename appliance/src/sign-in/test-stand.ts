import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { Wallet } from 'ethers'
import { installationId, vmIdOf } from '../chain/installation.ts'
import type { Heads } from '../chain/port.ts'
import { zeroAddress, type Address, type Subscription } from '../chain/subscription.ts'
import { MovableClock } from '../clock/clock.ts'
import { openStore, type Store } from '../store/store.ts'
import type { LoginRequest } from './login-request.ts'
import type { LatestChain, LoginChain, SignInPorts } from './ports.ts'
import type { SignIn } from './sign-in.ts'

export const testContract: Address = '0x5fbdb2315678afecb367f032d93f642f64180aa3'
export const testChainId = 31337
export const testInstallation = installationId(testChainId, testContract)
export const holder = new Wallet(`0x${'11'.repeat(32)}`)
export const otherWallet = new Wallet(`0x${'22'.repeat(32)}`)

/** An active subscription of `holder`, in the middle of its time. */
export function testSubscription(now: number, changes: Partial<Subscription> = {}): Subscription {
  return {
    installation: testInstallation,
    tokenId: 42n,
    planId: 0,
    state: 'active',
    holder: holder.address.toLowerCase() as Address,
    buyer: holder.address.toLowerCase() as Address,
    boughtBlock: 10,
    boughtAt: now - 86_400,
    token: zeroAddress,
    seconds: 8 * 86_400,
    activationDeadline: now - 80_000,
    activatedAt: now - 86_000,
    expiresAt: now + 7 * 86_400,
    graceEndsAt: now + 14 * 86_400,
    paid: 8_000_000n,
    streamFrom: now - 86_000,
    streamTo: now + 7 * 86_400,
    settled: 0n,
    ...changes,
  }
}

/** A chain of one contract whose two depths a test sets as it likes; a twin of the reader without a node. */
export class TestChain implements LoginChain, LatestChain {
  readonly installation = testInstallation
  readonly #listeners = new Set<() => void>()
  readonly contractAddress = testContract
  giving: Subscription | undefined
  latestSubscription: Subscription | undefined
  heads: Heads

  constructor(now: number) {
    const latest = { number: 100, hash: `0x${'ab'.repeat(32)}`, timestamp: now }
    this.giving = testSubscription(now)
    this.latestSubscription = this.giving
    this.heads = { latest, giving: latest, finalized: latest, stale: false, standing: false, agreeing: 1 }
  }

  /** One subscription at both depths. */
  set(changes: Partial<Subscription>): void {
    this.giving = { ...testSubscription(this.heads.latest.timestamp), ...changes }
    this.latestSubscription = this.giving
    this.changed()
  }

  /** A new newest block. */
  changed(): void {
    const latest = { ...this.heads.latest, number: this.heads.latest.number + 1 }
    this.heads = { ...this.heads, latest }
    for (const listener of this.#listeners) listener()
  }

  subscriptionForLogin(tokenId: bigint) {
    const known = tokenId === 42n
    return Promise.resolve({
      giving: known ? this.giving : undefined,
      latest: known ? this.latestSubscription : undefined,
      heads: this.heads,
    })
  }

  latest(installation: string, tokenId: bigint) {
    if (installation !== this.installation) return undefined
    const stale = this.heads.stale && !this.heads.standing
    return { subscription: tokenId === 42n ? this.latestSubscription : undefined, block: this.heads.latest, stale }
  }

  contract(installation: string): string | undefined {
    return installation === this.installation ? this.contractAddress : undefined
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

export const testHostKey = {
  publicKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIjZDvSzcpW0S7rN0q4pDpJbqkRyWFtGoHyAm6IkxFRA',
  fingerprint: 'SHA256:jB2eVNcqv9EqXc+YvLgIP0B6sNK6gqrl1LBhJfBLPMM',
}

/** A login with a shell, as the guest of VM 42 asks for it. A `serial` is used once: the nonce is made of it. */
export function askForShell(signIn: SignIn, serial: number): LoginRequest {
  return signIn.requests.create({
    act: 'shell',
    vm: { vmId: `${testInstallation}-42`, installation: testInstallation, contract: testContract, tokenId: 42n, generation: 1 },
    hostKey: testHostKey.fingerprint,
    user: 'owner',
    source: '203.0.113.7',
    behindLoopbackForward: false,
    nonce: serial.toString(16).padStart(32, '0'),
    asker: { kind: 'guest', mark: `freehold:${testInstallation}/42/1` },
  })
}

/** Everything that signing in needs, in memory, with a clock that can be moved. */
export interface SignInStand {
  clock: MovableClock
  chain: TestChain
  store: Store
  ports: SignInPorts
  master: Buffer
  lines: string[]
  /** Puts a VM's row there as a create would. */
  putVm(changes?: {
    tokenId?: bigint
    generation?: number
    reported?: boolean
    ipv4?: string | null
    sshPort?: number | null
  }): Promise<string>
}

export async function signInStand(
  mode: 'embedded' | 'installed' = 'embedded',
  origin = 'http://localhost:8080',
): Promise<SignInStand> {
  const clock = new MovableClock()
  const chain = new TestChain(clock.now())
  const store = await openStore(':memory:', { clock })
  const lines: string[] = []
  const ports: SignInPorts = {
    clock,
    origin,
    chainId: testChainId,
    mode,
    chain: (installation) => (installation === chain.installation ? chain : undefined),
    latestChain: chain,
    loopbackIsShared: () => false,
    vms: store.vms,
    outcomes: store.loginOutcomes,
    audit: store.audit,
    rateLimits: store.rateLimits,
    statementKey: generateKeyPairSync('ed25519').privateKey,
    log: (line) => lines.push(line),
  }
  return {
    clock,
    chain,
    store,
    ports,
    master: randomBytes(32),
    lines,
    async putVm({ tokenId = 42n, generation = 1, reported = true, ipv4 = null, sshPort = 20_001 } = {}) {
      await store.vms.put({
        installation: testInstallation,
        tokenId,
        generation,
        planId: 0,
        vcpus: 1,
        memoryMiB: 512,
        diskGiB: 4,
        addresses: { ipv4, ipv6: null, sshPort },
        mac: '52:54:00:00:00:01',
        template: 'ab'.repeat(32),
        origin: { buyer: holder.address, boughtBlock: 10 },
        hostKey: reported ? testHostKey : null,
        secretUsedAt: null,
        reportedAt: reported ? clock.now() : null,
        activateIntentAt: null,
        activatedSeenAt: null,
        graceOverSeenSince: null,
        destroyedAt: null,
        createdAt: clock.now(),
      })
      return vmIdOf({ installation: testInstallation, tokenId })
    },
  }
}
