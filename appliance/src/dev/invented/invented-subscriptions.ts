import type { ChainSnapshot } from '../../chain/port.ts'
import { installationId } from '../../chain/installation.ts'
import { zeroAddress, type Address, type Plan, type Subscription } from '../../chain/subscription.ts'

export const day = 86_400
/** No network has this id: nobody can take the demo for a place where money is paid. */
export const inventedChainId = 424_242
export const inventedContract: Address = '0x5eed000000000000000000000000000000000001'
export const inventedInstallation = installationId(inventedChainId, inventedContract)
export const inventedToken: Address = '0x5eed000000000000000000000000000000000002'
/** Owner, treasury, the host's key, and the visitor: the operator, who rents a few VMs too. */
export const inventedRoles = {
  owner: '0x5eed0000000000000000000000000000000000aa',
  treasury: '0x5eed0000000000000000000000000000000000bb',
  provisioner: '0x5eed0000000000000000000000000000000000cc',
  visitor: '0x5eed0000000000000000000000000000000000dd',
} as const satisfies Record<string, Address>

/** Numbers that look like chance and are the same at every start: a reset demo shows the same world again. */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** An invented subscriber's address. */
export function subscriberAddress(n: number): Address {
  const next = seeded(n + 7)
  return `0x${Array.from({ length: 40 }, () => next(16).toString(16)).join('')}`
}

/** An invented block number at a moment: one every twelve seconds, and the same one for the same moment. */
export function blockAt(moment: number): number {
  return Math.floor((moment - 1_600_000_000) / 12)
}

/** An invented hash. */
export function hashOf(kind: number, n: number): string {
  const next = seeded(kind * 100_003 + n)
  return `0x${Array.from({ length: 64 }, () => next(16).toString(16)).join('')}`
}

export function inventedPlans(used: (planId: number) => number): Plan[] {
  const plan = (
    planId: number,
    name: string,
    vcpus: number,
    memoryMiB: number,
    diskGiB: number,
    capacity: number,
    milli: number,
  ): Plan => ({
    planId,
    name,
    kind: 'vm',
    vcpus,
    memoryMiB,
    diskGiB,
    gasPerDay: 0n,
    graceSeconds: 7 * day,
    activationDeadlineSeconds: 3600,
    minSeconds: day,
    maxSeconds: 90 * day,
    capacity,
    used: used(planId),
    open: planId !== 3,
    prices: [
      { token: zeroAddress, pricePerDay: BigInt(milli) * 10n ** 14n },
      { token: inventedToken, pricePerDay: BigInt(milli) * 30_000n },
    ],
  })
  return [
    plan(0, 'Small', 1, 1024, 10, 60, 3),
    plan(1, 'Medium', 2, 4096, 40, 24, 9),
    plan(2, 'Large', 8, 16_384, 160, 15, 34),
    plan(3, 'Archive 2025', 1, 512, 200, 12, 12),
  ]
}

/** What is to be seen of one VM; the world is made so that it comes out. */
export type Wanted =
  | 'waiting-for-confirmation'
  | 'preparing'
  | 'running'
  | 'stopped'
  | 'ends-soon'
  | 'suspended'
  | 'ending'
  | 'missing'
  | 'unknown'

export interface InventedVm {
  wanted: Wanted
  subscription: Subscription
}

const story: readonly Wanted[] = [
  ...([
    'running',
    'ends-soon',
    'stopped',
    'suspended',
    'missing',
    'preparing',
    'ending',
    'waiting-for-confirmation',
    'unknown',
  ] as const),
]

/** The VMs that stand now. The first of them, one of each kind, are the visitor's own. What has ended has no holder, and no row. */
export function inventedVms(now: number, count: number): InventedVm[] {
  const next = seeded(2026)
  return Array.from({ length: count }, (_, i): InventedVm => {
    const own = i < story.length
    const roll = next(20)
    const wanted: Wanted = own
      ? (story[i] ?? 'running')
      : roll < 15
        ? 'running'
        : ((['ends-soon', 'ends-soon', 'stopped', 'suspended', 'stopped'] as const)[roll - 15] ?? 'running')
    const planId = own ? i % 3 : ([0, 0, 0, 0, 1, 1, 2, 3][next(8)] ?? 0)
    const bought = now - day * (5 + next(50)) - next(day)
    const pending = wanted === 'preparing' || wanted === 'waiting-for-confirmation'
    const boughtAt = pending ? now - 45 : bought
    const activatedAt = pending ? 0 : boughtAt + 40 + next(60)
    const expiresAt = pending
      ? 0
      : wanted === 'ends-soon'
        ? now + next(6 * day) + 3600
        : wanted === 'suspended'
          ? now - day - next(4 * day)
          : wanted === 'ending'
            ? now - 7 * day - 3600
            : now + day * (9 + next(60))
    const seconds = pending ? 30 * day : Math.ceil((expiresAt - activatedAt) / day) * day
    const token = next(4) === 0 ? inventedToken : zeroAddress
    const plan = inventedPlans(() => 0)[planId]
    const perDay = plan?.prices.find((p) => p.token === token)?.pricePerDay ?? 0n
    const holder = own ? inventedRoles.visitor : subscriberAddress(next(23))
    return {
      wanted,
      subscription: {
        installation: inventedInstallation,
        tokenId: BigInt(141 + i),
        planId,
        state: pending ? 'pending' : 'active',
        holder,
        buyer: holder,
        boughtBlock: blockAt(boughtAt),
        boughtAt,
        token,
        seconds,
        activationDeadline: boughtAt + 3600,
        activatedAt,
        expiresAt,
        graceEndsAt: pending ? 0 : expiresAt + 7 * day,
        paid: (perDay * BigInt(seconds)) / BigInt(day),
        streamFrom: activatedAt,
        streamTo: expiresAt,
        settled: 0n,
      },
    }
  })
}

/** The contract at one block. What waits for its confirmation is not there yet at the giving depth. */
export function inventedSnapshot(depth: 'latest' | 'giving', vms: readonly InventedVm[], now: number): ChainSnapshot {
  const seen = vms.filter((vm) => depth === 'latest' || vm.wanted !== 'waiting-for-confirmation')
  return {
    installation: inventedInstallation,
    contract: inventedContract,
    depth,
    block: { number: blockAt(now), hash: hashOf(1, blockAt(now)), timestamp: now },
    nextTokenId: BigInt(141 + vms.length),
    subscriptions: new Map(seen.map(({ subscription }) => [subscription.tokenId, subscription])),
    plans: inventedPlans((planId) => vms.filter((vm) => vm.subscription.planId === planId).length),
    owner: inventedRoles.owner,
    treasury: inventedRoles.treasury,
    provisioner: inventedRoles.provisioner,
    buyingPaused: false,
    operator: inventedRoles.visitor,
  }
}
