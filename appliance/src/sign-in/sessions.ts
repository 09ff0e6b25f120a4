import { createHash, randomBytes } from 'node:crypto'
import type { Clock } from '../clock/clock.ts'
import type { SessionRepository, StoredSession } from '../store/sessions.ts'

export const sessionSeconds = 12 * 3600
/** How long a session found in the store is believed: only this process revokes, and then it believes none any more. */
const believedMs = 60_000
const cacheSize = 5000

/** Web and CLI logins. A session proves an address and nothing else: rights are looked up at each request (design.md §8). */
export interface Sessions {
  /** The token goes to the browser's cookie or the CLI and nowhere else: only its hash is kept. */
  create(address: string, source: string): Promise<{ token: string; session: StoredSession }>
  /** The session of a token, if it is neither expired nor revoked now. */
  find(token: string): Promise<StoredSession | undefined>
  list(address: string): Promise<StoredSession[]>
  /** Only the address's own. False if there is none. */
  revoke(address: string, publicId: string): Promise<boolean>
}

/** SHA-256 in hex: tokens are 256 random bits, so a plain hash is as good as a slow one. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token, 'utf8').digest('hex')
}

export function createSessions(ports: { clock: Clock; sessions: SessionRepository }): Sessions {
  const { clock, sessions } = ports
  const believed = new Map<string, { found: Promise<StoredSession | undefined>; untilMs: number }>()

  function unlessOver(session: StoredSession | undefined): StoredSession | undefined {
    return session !== undefined && session.expiresAt > clock.now() ? session : undefined
  }

  return {
    async create(address, source) {
      const token = randomBytes(32).toString('base64url')
      const createdAt = clock.now()
      const session: StoredSession = {
        idHash: hashToken(token),
        publicId: randomBytes(8).toString('hex'),
        address: address.toLowerCase(),
        source,
        createdAt,
        expiresAt: createdAt + sessionSeconds,
        revokedAt: null,
      }
      const { revokedAt: _, ...fields } = session
      await sessions.create(fields)
      return { token, session }
    },
    async find(token) {
      if (!/^[A-Za-z0-9_-]{43}$/.test(token)) return undefined
      const idHash = hashToken(token)
      const known = believed.get(idHash)
      if (known !== undefined && clock.monotonicMs() < known.untilMs) return unlessOver(await known.found)
      if (believed.size >= cacheSize) believed.clear()
      // fifty requests at once ask the store once
      const entry = { found: sessions.open(idHash), untilMs: clock.monotonicMs() + believedMs }
      believed.set(idHash, entry)
      const forget = (): void => {
        if (believed.get(idHash) === entry) believed.delete(idHash)
      }
      entry.found.then((session) => session === undefined && forget(), forget)
      return unlessOver(await entry.found)
    },
    list: (address) => sessions.list(address.toLowerCase()),
    async revoke(address, publicId) {
      const done = await sessions.revoke(address.toLowerCase(), publicId)
      // a look-up that began before is not believed either: everything is asked of the store again
      believed.clear()
      return done
    },
  }
}
