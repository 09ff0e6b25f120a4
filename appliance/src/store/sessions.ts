import type { UnixSeconds } from '../clock/clock.ts'
import type { Session } from '../generated/prisma/client.ts'
import type { Database } from './database.ts'
import { seconds } from './json.ts'

/** A web or CLI login. It proves an address; rights are looked up at each request. */
export interface StoredSession {
  /** Hash of the cookie or bearer token; the token itself is nowhere. */
  idHash: string
  /** What lists show and `revoke` takes. */
  publicId: string
  /** Lower case. */
  address: string
  source: string
  createdAt: UnixSeconds
  expiresAt: UnixSeconds
  revokedAt: UnixSeconds | null
}

export interface SessionRepository {
  create(session: Omit<StoredSession, 'revokedAt'>): Promise<void>
  /** The session, if it is neither expired nor revoked now. */
  open(idHash: string): Promise<StoredSession | undefined>
  /** Open ones of an address, newest first. */
  list(address: string): Promise<StoredSession[]>
  /** Only the address's own. False if there is none. */
  revoke(address: string, publicId: string): Promise<boolean>
  revokeAll(address: string): Promise<number>
  /** Deletes what expired. */
  sweep(): Promise<number>
}

function fromRow(row: Session): StoredSession {
  return { ...row, createdAt: Number(row.createdAt), expiresAt: Number(row.expiresAt), revokedAt: seconds(row.revokedAt) }
}

export function createSessions(db: Database): SessionRepository {
  const openNow = () => ({ revokedAt: null, expiresAt: { gt: BigInt(db.clock.now()) } })
  return {
    async create(session) {
      await db.queries.session.create({
        data: { ...session, createdAt: BigInt(session.createdAt), expiresAt: BigInt(session.expiresAt) },
      })
    },
    async open(idHash) {
      const row = await db.queries.session.findFirst({ where: { idHash, ...openNow() } })
      return row === null ? undefined : fromRow(row)
    },
    async list(address) {
      const rows = await db.queries.session.findMany({ where: { address, ...openNow() }, orderBy: { createdAt: 'desc' } })
      return rows.map(fromRow)
    },
    async revoke(address, publicId) {
      const where = { address, publicId, ...openNow() }
      return (await db.queries.session.updateMany({ where, data: { revokedAt: BigInt(db.clock.now()) } })).count > 0
    },
    async revokeAll(address) {
      const where = { address, ...openNow() }
      return (await db.queries.session.updateMany({ where, data: { revokedAt: BigInt(db.clock.now()) } })).count
    },
    async sweep() {
      return (await db.queries.session.deleteMany({ where: { expiresAt: { lte: BigInt(db.clock.now()) } } })).count
    },
  }
}
