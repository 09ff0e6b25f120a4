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
  put(pass: WatchedPass): Promise<void>
  remove(vm: Pick<VmKey, 'installation' | 'tokenId'>): Promise<void>
}

function fromRow(row: PassWatch): WatchedPass {
  return { ...row, tokenId: BigInt(row.tokenId) }
}

export function createPassWatchRows(db: Database): PassWatchRepository {
  return {
    async list() {
      return (await db.queries.passWatch.findMany()).map(fromRow)
    },
    async put({ installation, tokenId, ...rest }) {
      const id = { installation, tokenId: tokenId.toString() }
      await db.queries.passWatch.upsert({
        where: { installation_tokenId: id },
        create: { ...id, ...rest },
        update: rest,
      })
    },
    async remove({ installation, tokenId }) {
      await db.queries.passWatch.deleteMany({ where: { installation, tokenId: tokenId.toString() } })
    },
  }
}
