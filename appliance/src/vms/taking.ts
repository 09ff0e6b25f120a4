import type { UnixSeconds } from '../clock/clock.ts'
import type { DecisionFacts } from '../subscriptions/decide.ts'
import { takingView } from '../subscriptions/views.ts'
import { reasonOf } from './end-steps.ts'
import type { ServedContract } from './vm-work.ts'

/** Which word of the chain ended it, as of which finalized block. */
export interface Ended {
  reason: string
  finalizedTime: UnixSeconds
}

/** A read for taking as facts: doubt of any kind is an answer too, and gives no ground. `ended`: why, if it has ended. Never rejects. */
export async function readForTaking(
  contract: ServedContract,
  tokenId: bigint,
  nextTokenId: bigint,
  log?: (line: string, cause: unknown) => void,
): Promise<{ taking: DecisionFacts['taking']; ended?: Ended }> {
  if (tokenId >= nextTokenId) return { taking: 'never-sold' }
  try {
    const read = await contract.reader.subscriptionForTaking(tokenId)
    const finalizedTime = read.finalizedBlock.timestamp
    return { taking: takingView(read), ended: { reason: reasonOf(read.finalized, finalizedTime), finalizedTime } }
  } catch (error) {
    log?.(`subscription ${tokenId} could not be read for taking`, error)
    return { taking: 'unreadable' }
  }
}
