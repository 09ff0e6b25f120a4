import type { VmKey } from '../chain/installation.ts'
import type { PassWatch } from '../generated/prisma/client.ts'
import type { Database } from './database.ts'

/** Who has been root in a VM's present generation, and whose connections may stand. Addresses in lower case. */
export interface WatchedPass {
  installation: string
  tokenId: bigint
  /** The generation that `holder` and `former` speak of. */
  generation: number
  /** Holder at the giving depth when last looked: the last who could have been let in. */
  holder: string
  /** Another holder who could have been root in this generation; null if there was none, or if the holder keeps the VM as it is. */
  former: string | null
  /** The holder for whom connections to port 22 stand; null while nobody may be inside. */
  letIn: string | null
  /** The last holder that was let in, also while nobody is: whoever comes next finds no connection of theirs. Null: nobody so far. */
  lastIn: string | null
}

export interface PassWatchRepository {
  list(): Promise<WatchedPass[]>
  /** Resolves when it is durable. Calls of one turn are written together: a first look at a large host makes thousands. */
  put(pass: WatchedPass): Promise<void>
  remove(vm: Pick<VmKey, 'installation' | 'tokenId'>): Promise<void>
}

function fromRow(row: PassWatch): WatchedPass {
  return { ...row, tokenId: BigInt(row.tokenId) }
}

export function createPassWatchRows(db: Database): PassWatchRepository {
  let waiting: WatchedPass[] = []
  let writing: Promise<void> | undefined

  return {
    async list() {
      return (await db.queries.passWatch.findMany()).map(fromRow)
    },
    put(pass) {
      waiting.push(pass)
      // the first of a turn writes for all of it; a later one of the same VM is last and stands
      writing ??= Promise.resolve().then(async () => {
        const passes = waiting
        ;[waiting, writing] = [[], undefined]
        const rows = passes.map((p) => [p.installation, String(p.tokenId), p.generation, p.holder, p.former, p.letIn, p.lastIn])
        await db.queries.$executeRaw`INSERT OR REPLACE INTO pass_watch
          (installation, tokenId, generation, holder, former, letIn, lastIn)
          SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
          FROM json_each(${JSON.stringify(rows)})`
      })
      return writing
    },
    async remove({ installation, tokenId }) {
      await db.queries.passWatch.deleteMany({ where: { installation, tokenId: tokenId.toString() } })
    },
  }
}
