import { isDuplicate, type Database } from './database.ts'

export type AddressKind = 'ssh-port' | 'ipv4' | 'ipv6-index'

/** Who has which address. The database itself refuses to give one twice. */
export interface AddressRepository {
  /**
   * The owner's address of this kind: the one it has, else the first of `candidates` that is free, else undefined. Never one
   * that was not released.
   */
  allocate(kind: AddressKind, owner: string, candidates: Iterable<string>): Promise<string | undefined>
  /** Enters an address that is known to be in use (rebuild). False if another owner has it. */
  claim(kind: AddressKind, owner: string, value: string): Promise<boolean>
  of(kind: AddressKind, owner: string): Promise<string | undefined>
  ownerOf(kind: AddressKind, value: string): Promise<string | undefined>
  /** Frees all of an owner's addresses: only once its VM is gone. */
  release(owner: string): Promise<void>
  list(kind: AddressKind): Promise<{ value: string; owner: string }[]>
}

export function createAddresses(db: Database): AddressRepository {
  return {
    allocate(kind, owner, candidates) {
      return db.transaction(async (queries) => {
        const own = await queries.addressLease.findUnique({ where: { kind_owner: { kind, owner } } })
        if (own !== null) return own.value
        const taken = new Set((await queries.addressLease.findMany({ where: { kind } })).map(({ value }) => value))
        for (const value of candidates) {
          if (taken.has(value)) continue
          await queries.addressLease.create({ data: { kind, value, owner, at: BigInt(db.clock.now()) } })
          return value
        }
        return undefined
      })
    },
    async claim(kind, owner, value) {
      try {
        await db.queries.addressLease.create({ data: { kind, value, owner, at: BigInt(db.clock.now()) } })
        return true
      } catch (error) {
        if (!isDuplicate(error)) throw error
        const holder = await db.queries.addressLease.findUnique({ where: { kind_value: { kind, value } } })
        return holder?.owner === owner
      }
    },
    async of(kind, owner) {
      return (await db.queries.addressLease.findUnique({ where: { kind_owner: { kind, owner } } }))?.value
    },
    async ownerOf(kind, value) {
      return (await db.queries.addressLease.findUnique({ where: { kind_value: { kind, value } } }))?.owner
    },
    async release(owner) {
      await db.queries.addressLease.deleteMany({ where: { owner } })
    },
    list(kind) {
      return db.queries.addressLease.findMany({
        where: { kind },
        select: { value: true, owner: true },
        orderBy: { value: 'asc' },
      })
    },
  }
}
