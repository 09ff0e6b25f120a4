import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Clock } from '../../clock/clock.ts'
import { hashToken } from '../../sign-in/sessions.ts'
import type { SettingRepository } from '../../store/settings.ts'

/** How long a browser stays in without typing another code. */
export const setupSessionSeconds = 12 * 3600
const handOverSeconds = 600
/** Browsers in at once; the oldest goes first. */
const most = 8
const key = 'setup sessions'
const kept = z.array(z.strictObject({ hash: z.string(), expiresAt: z.number() }))

/** Browsers that typed the machine's code. Only hashes of their tokens are kept, and they outlive the daemon (W6). */
export interface SetupSessions {
  /** The token is for the browser's cookie and nothing else. */
  begin(): Promise<string>
  /** A word that lets one browser in at another address of this machine, once and for a few minutes; kept in memory alone. */
  handOver(): string
  /** Whether this is such a word; from now on it is none. */
  takesOver(word: string): boolean
  knows(token: string | undefined): Promise<boolean>
  count(): Promise<number>
  endAll(): Promise<void>
}

export function createSetupSessions(settings: SettingRepository, clock: Clock): SetupSessions {
  let turn: Promise<unknown> = Promise.resolve()
  let handedOver: { hash: string; until: number } | undefined
  const open = async (): Promise<z.output<typeof kept>> =>
    ((await settings.get(key, kept)) ?? []).filter((session) => session.expiresAt > clock.now())
  return {
    async begin() {
      const token = randomBytes(32).toString('base64url')
      const next = turn.then(async () => {
        const session = { hash: hashToken(token), expiresAt: clock.now() + setupSessionSeconds }
        await settings.put(key, [...(await open()), session].slice(-most))
      })
      turn = next.catch(() => undefined)
      await next
      return token
    },
    handOver() {
      const word = randomBytes(32).toString('base64url')
      handedOver = { hash: hashToken(word), until: clock.now() + handOverSeconds }
      return word
    },
    takesOver(word) {
      const right = handedOver !== undefined && clock.now() < handedOver.until && handedOver.hash === hashToken(word)
      if (right) handedOver = undefined
      return right
    },
    async knows(token) {
      if (token === undefined || !/^[A-Za-z0-9_-]{43}$/.test(token)) return false
      const hash = hashToken(token)
      return (await open()).some((session) => session.hash === hash)
    },
    count: async () => (await open()).length,
    async endAll() {
      await turn
      await settings.remove(key)
    },
  }
}
