import { z } from 'zod'
import { parseCidr } from 'wireguard-ts/address'
import { parsePresharedKey, parsePublicKey } from 'wireguard-ts/key'
import type { TunnelStore } from './ports.ts'
import type { Tunnel } from './tunnel-state.ts'

/** The part of the daemon's settings that is needed here. */
interface Settings {
  get<S extends z.ZodType>(key: string, schema: S): Promise<z.output<S> | undefined>
  put(key: string, value: unknown): Promise<void>
}

const key = 'broker tunnels'
const endpoint = z.strictObject({ host: z.string(), port: z.number().int() })
const network = z.string().transform((text) => parseCidr(text))
const tunnelsSchema = z.array(
  z.strictObject({
    grant: z.strictObject({
      broker: z.strictObject({ id: z.string(), pool: network }),
      prefix: network,
      publicKey: z.string().transform((text) => parsePublicKey(text)),
      presharedKey: z
        .string()
        .transform((text) => parsePresharedKey(text))
        .optional(),
      endpoint,
      gateway: z.string(),
      mtu: z.number().int(),
      zone: z.string(),
      from: z.number(),
      until: z.number(),
      graceUntil: z.number(),
      saidAt: z.number(),
    }),
    endpoint,
    lookedUpAt: z.number(),
    addedAt: z.number(),
    lastAnswerAt: z.number().optional(),
    latencyMs: z.number().optional(),
    lastRenewalAttemptAt: z.number().optional(),
    leavingSince: z.number().optional(),
  }),
)

/** Tunnels in the daemon's store. Answers of every probe would be a write each 5 s: they are kept once a minute, all else at once. */
export function createTunnelStore(settings: Settings): TunnelStore {
  let written = ''
  return {
    async load() {
      return ((await settings.get(key, tunnelsSchema)) ?? []) as readonly Tunnel[]
    },
    async save(tunnels) {
      const text = JSON.stringify(
        tunnels.map((tunnel) => ({ ...tunnel, latencyMs: 0, lastAnswerAt: Math.floor((tunnel.lastAnswerAt ?? 0) / 60) })),
      )
      if (text === written) return
      await settings.put(key, tunnels)
      written = text
    },
  }
}
