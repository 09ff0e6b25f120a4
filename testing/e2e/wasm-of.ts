import type { PagesStand } from '../stands/pages-api.ts'

/** What a host of WebAssembly says to the holder of the stand's first VM and to its operator: nothing yet, or a day of it. */
export function wasmOf(
  { origin, world, wallet }: PagesStand,
  day?: { label: string; planName: string },
): NonNullable<PagesStand['world']['wasm']> {
  const now = Math.floor(Date.now() / 1000)
  const key = (label: string) => ({
    id: 'k1',
    scopes: ['execute' as const],
    wallet: wallet(5).address,
    label,
    createdAt: now - 86_400,
    expiresAt: null,
    revokedAt: null,
    lastUsedAt: now - 60,
  })
  const subscription = (planName: string) => ({
    vmId: `${world.installation}-1`,
    planName,
    gasPerDay: '20000',
    usedToday: '1200',
    runsToday: 3,
    state: 'active' as const,
    until: now + 864_000,
  })
  const keys = day === undefined ? [] : [key(day.label)]
  const runs = day === undefined ? 0 : 3
  return {
    own: {
      url: `${origin}/wasm`,
      now,
      nextDayAt: now + 3600,
      subscriptions: day === undefined ? [] : [subscription(day.planName)],
      freeGasPerDay: '0',
      freeUsedToday: '0',
      keys,
    },
    operator: {
      url: `${origin}/wasm`,
      status: 'ok',
      capacity: { max: 8, inFlight: 0, queued: 0 },
      memory: { bytes: 2 ** 30, admittedBytes: 0 },
      executors: { alive: 1, wanted: 1, restarts: 0 },
      uptimeSeconds: 60,
      keyExpiresInSeconds: 86_400,
      receipts: { total: runs, kept: runs },
      outcomes: day === undefined ? [] : [{ code: 'WASM_TRAP', runs, gas: '1000' }],
      refused: day === undefined ? [] : [{ code: 'UNAUTHORIZED', count: 2 }],
      subscriptions: day === undefined ? 0 : 1,
      keys,
    },
  }
}
