import { isDuplicate, type Database } from './database.ts'

export type AddressKind = 'ssh-port' | 'ipv4' | 'ipv6-index'

/** An address and whose it is. */
export interface AddressLease {
  kind: AddressKind
  value: string
  owner: string
}

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
  /**
   * Frees all of an owner's addresses: only once its VM is gone. In the same transaction, what one of `heirs` holds as well
   * becomes that one's: at no time is an address free that a VM has.
   */
  release(owner: string, heirs?: readonly AddressLease[]): Promise<void>
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
    release(owner, heirs = []) {
      return db.transaction(async (queries) => {
        await queries.addressLease.deleteMany({ where: { owner } })
        for (const { kind, value, owner: heir } of heirs) {
          const clash = {
            OR: [
              { kind, value },
              { kind, owner: heir },
            ],
          }
          if ((await queries.addressLease.findFirst({ where: clash })) !== null) continue
          await queries.addressLease.create({ data: { kind, value, owner: heir, at: BigInt(db.clock.now()) } })
        }
      })
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
