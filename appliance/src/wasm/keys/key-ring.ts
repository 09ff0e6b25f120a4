import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { Clock } from '../../clock/clock.ts'
import { newHexId } from '../hex-id.ts'
import type { RecipientKey } from '../protocol/hpke.ts'
import { signCompact } from '../protocol/receipt.ts'
import type { Attestation } from './attestor.ts'

/** One public key as the key document tells it. Times in RFC 3339. */
export interface PublishedKey {
  kid: string
  kty: 'EC'
  crv: 'P-256'
  x: string
  y: string
  suite: string
  not_before: string
  expires_at: string
  /** Where the host has trusted hardware: evidence bound to this key and its expiry (`reportDataOf`). */
  attestation?: Attestation
}

export interface KeyRingOptions {
  clock: Clock
  /** How long a key is offered. */
  rotationSeconds: number
  /** How long it still opens afterwards: the longest age of a request. */
  overlapSeconds: number
  /** One-time keys alive at once. */
  oneTimeKeys?: number
  /** Seconds a one-time key lives. */
  oneTimeSeconds?: number
}

interface Held {
  published: PublishedKey
  recipient: RecipientKey
  notBefore: number
  /** Offered until. */
  expires: number
  /** Opens until; then the private key is forgotten. */
  forgotten: number
  oneTime: boolean
}

/** What became of a key id: usable, over its time, or never ours. */
export type Found = { kind: 'key'; kid: string; recipient: RecipientKey } | { kind: 'expired' } | { kind: 'unknown' }

export const suiteName = 'DHKEM(P-256,HKDF-SHA256),HKDF-SHA256,AES-256-GCM'

/**
 * The keys that requests are sealed for. Private halves live in memory alone and go when nothing can need them any more: what
 * was sealed before a restart does not open, and the caller seals again.
 */
export class KeyRing {
  readonly #options: Required<KeyRingOptions>
  readonly #held = new Map<string, Held>()
  /** Ids that have been: to tell `expired` from `unknown`. Bounded. */
  readonly #former: string[] = []
  #current: Held

  constructor(options: KeyRingOptions) {
    this.#options = { oneTimeKeys: 10_000, oneTimeSeconds: 300, ...options }
    this.#current = this.#make(false)
  }

  /** The keys to offer now: the current one. Rotates by the clock. */
  offered(): PublishedKey[] {
    this.#sweep()
    return [this.#current.published]
  }

  /** Ids and private halves that open a request without a key id: at most the current one and the one before. */
  live(): { kid: string; recipient: RecipientKey }[] {
    this.#sweep()
    return [...this.#held.values()]
      .filter((held) => !held.oneTime)
      .map(({ published, recipient }) => ({ kid: published.kid, recipient }))
  }

  /** A key for one request. Undefined if too many are alive. */
  oneTime(): PublishedKey | undefined {
    this.#sweep()
    const alive = [...this.#held.values()].filter((held) => held.oneTime).length
    return alive >= this.#options.oneTimeKeys ? undefined : this.#make(true).published
  }

  /** The private half of a key id. A one-time key is found once. */
  take(kid: string): Found {
    this.#sweep()
    const held = this.#held.get(kid)
    if (held === undefined) return { kind: this.#former.includes(kid) ? 'expired' : 'unknown' }
    if (held.oneTime) this.#forget(kid)
    return { kind: 'key', kid, recipient: held.recipient }
  }

  /** Ids of all keys that can still open something: erases those that are over their time. */
  ids(): string[] {
    this.#sweep()
    return [...this.#held.keys()]
  }

  /** Seconds until the current key is no longer offered. */
  secondsLeft(): number {
    this.#sweep()
    return this.#current.expires - this.#options.clock.now()
  }

  #make(oneTime: boolean): Held {
    const { clock, rotationSeconds, overlapSeconds, oneTimeSeconds } = this.#options
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
    const notBefore = clock.now()
    const expires = notBefore + (oneTime ? oneTimeSeconds : rotationSeconds)
    const kid = newHexId()
    const held: Held = {
      published: {
        kid,
        kty: 'EC',
        crv: 'P-256',
        x,
        y,
        suite: suiteName,
        not_before: stamp(notBefore),
        expires_at: stamp(expires),
      },
      recipient: {
        privateKey,
        publicRaw: Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]),
      },
      notBefore,
      expires,
      forgotten: oneTime ? expires : expires + overlapSeconds,
      oneTime,
    }
    this.#held.set(kid, held)
    return held
  }

  #sweep(): void {
    const now = this.#options.clock.now()
    for (const [kid, held] of this.#held) if (now >= held.forgotten) this.#forget(kid)
    if (now >= this.#current.expires) this.#current = this.#make(false)
  }

  #forget(kid: string): void {
    this.#held.delete(kid)
    this.#former.push(kid)
    if (this.#former.length > 1000) this.#former.shift()
  }
}

/** The key document, signed by the host's identity: whoever pins that knows that the keys are the host's. */
export function signKeyDocument(keys: readonly PublishedKey[], signing: KeyObject, signingId: string): string {
  return signCompact('whv-keys+jws', { keys }, signing, signingId)
}

function stamp(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}
