import type { Heads } from '../chain/port.ts'
import type { Subscription } from '../chain/subscription.ts'
import { entitlement } from '../subscriptions/entitlement.ts'
import type { ErrorCode } from '../errors/catalogue.ts'

/** The subscription at both depths that a login needs, and how fresh the answer is. */
export interface RightsFacts {
  giving: Subscription | undefined
  latest: Subscription | undefined
  heads: Pick<Heads, 'latest' | 'stale' | 'standing'>
  /** The generation that the request was made for, and the one that stands now (undefined: no such VM). */
  askedGeneration: number
  generation: number | undefined
}

/** May, with what a statement says; or may not, and why. */
export type Verdict = { may: true; subscription: Subscription } | Refusal

export interface Refusal {
  may: false
  code: Extract<ErrorCode, 'wrong-wallet' | 'pass-not-confirmed' | 'not-entitled' | 'chain-stale' | 'request-used' | 'vm-unknown'>
  /** For the page of the person who signed. */
  detail: string
  /** The request ends with it; else another wallet may still sign. */
  ends: boolean
  /** The signer holds the pass, or held it at the giving depth: the terminal says why. To a stranger it says no more than no (T3). */
  known: boolean
}

/**
 * Who may act on a VM: holder at the giving depth and at `latest`, entitlement active by the time of the latest block, in the
 * generation that was asked for (design.md §8). Pure; every doubt is a no.
 */
export function whoMay(signer: string, facts: RightsFacts): Verdict {
  const { giving, latest, heads } = facts
  const wallet = signer.toLowerCase()
  const known = [giving, latest].some((found) => found?.holder.toLowerCase() === wallet)
  const no = (code: Refusal['code'], detail: string, ends: boolean): Refusal => ({ may: false, code, detail, ends, known })
  if (heads.stale && !heads.standing) {
    return no('chain-stale', 'The host does not know the present state of the network, so it lets nobody in.', true)
  }
  if (facts.generation === undefined) return no('vm-unknown', 'This VM is not here any more.', true)
  if (facts.generation !== facts.askedGeneration)
    return no('request-used', 'The VM was reinstalled since this sign-in began.', true)
  if (latest === undefined || latest.state === 'ended') return no('not-entitled', 'The subscription has ended.', true)
  if (latest.holder.toLowerCase() !== wallet) {
    const held = giving !== undefined && giving.state !== 'ended' && giving.holder.toLowerCase() === wallet
    return no(
      'wrong-wallet',
      held
        ? `The access pass has moved on to ${latest.holder}; ${wallet} holds it no longer.`
        : `The access pass is held by ${latest.holder}, and ${wallet} signed.`,
      false,
    )
  }
  if (giving === undefined || giving.state === 'ended' || giving.holder.toLowerCase() !== wallet) {
    return no('pass-not-confirmed', `The pass has come to ${wallet}, but too few blocks stand upon it yet.`, false)
  }
  const now = heads.latest.timestamp
  const given = entitlement(latest, now)
  switch (given.kind) {
    case 'active':
      return { may: true, subscription: latest }
    case 'pending':
      return no('not-entitled', 'The VM is still being prepared.', true)
    case 'grace':
      return no(
        'not-entitled',
        `The subscription ended on ${day(latest.expiresAt)}. The data is kept until ${day(given.until)}.`,
        true,
      )
    case 'graceOver':
      return no('not-entitled', `The subscription ended on ${day(latest.expiresAt)}. The data may be deleted at any time.`, true)
    case 'ended':
      return no('not-entitled', 'The subscription has ended.', true)
  }
}

function day(unixSeconds: number): string {
  return `${new Date(unixSeconds * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
