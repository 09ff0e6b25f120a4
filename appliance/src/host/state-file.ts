import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { verbs } from './verbs.ts'

/** What the helper keeps: the last set of each kind, and a change of the network that waits to be confirmed. */
const stateSchema = z.strictObject({
  version: z.literal(1),
  /** The number given last; only ever grows. */
  epoch: z.int().min(0).max(0xffff_ffff),
  net: verbs.setTaps.shape.net.nullable(),
  taps: z.array(verbs.setTaps.shape.taps.element.extend({ epoch: z.int().min(1).max(0xffff_ffff) })),
  open: verbs.setFirewall.shape.open,
  /** Absent in files of a time without brokers. */
  tunnels: verbs.setTunnels.shape.tunnels.default([]),
  announcements: verbs.announce.shape.announcements.default([]),
  trial: z
    .strictObject({
      id: z.uuid(),
      /** Wall clock; the trial of an earlier boot is over by itself. */
      until: z.int(),
      boot: z.string(),
      uplink: verbs.tryNetwork.shape.uplink,
      /** The uplink as it was. */
      former: z.strictObject({ device: z.string(), addresses: z.array(z.string()), gateway: z.string().nullable() }),
    })
    .nullable(),
})

export type HostState = z.output<typeof stateSchema>
export type Trial = NonNullable<HostState['trial']>

/** Nothing set yet. Numbers begin at the present time, so that a lost file never gives one again. */
export function emptyState(now: number): HostState {
  return { version: 1, epoch: now, net: null, taps: [], open: [], tunnels: [], announcements: [], trial: null }
}

/** The kept state; undefined if there is none. Throws SyntaxError or ZodError for a file that is not ours to believe. */
export async function readState(file: string): Promise<HostState | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return text === undefined ? undefined : stateSchema.parse(JSON.parse(text))
}

/** Old or new, never torn: written beside, flushed, renamed, and the folder flushed. */
export async function writeState(file: string, state: HostState): Promise<void> {
  const beside = `${file}.new`
  const handle = await open(beside, 'w', 0o600)
  try {
    await handle.writeFile(JSON.stringify(state))
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(beside, file)
  const folder = await open(dirname(file), 'r')
  await folder.sync().finally(() => folder.close())
}
