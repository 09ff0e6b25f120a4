import { createHash } from 'node:crypto'
import type { Clock } from '../../clock/clock.ts'
import type { PublishedKey } from './key-ring.ts'

/** Evidence for one key, as the key document tells it. */
export interface Attestation {
  /** What kind of evidence it is; names the rules by which a client checks it. */
  format: string
  /** Base64. Opaque to this service. */
  evidence: string
}

/**
 * Where trusted hardware plugs in: proves which software on which machine holds a key. The service has none of its own; without
 * one the key document has no `attestation`, and a client that insists on one sends nothing.
 */
export interface Attestor {
  format: string
  /** Evidence over these 32 bytes: a quote whose report data begins with them. May reject; the key then goes out without. */
  attest(reportData: Uint8Array): Promise<Uint8Array>
}

/** Seconds after a refusal in which the attestor is not asked again for the same key: anybody may fetch the key document. */
const retryAfterSeconds = 10

/**
 * What evidence about a key is bound to: SHA-256 over the key's thumbprint (RFC 7638, 32 bytes) and the text of `expires_at`. So
 * evidence is of no use with another key, nor for this one beyond its time.
 */
export function reportDataOf({ crv, kty, x, y, expires_at: expiry }: PublishedKey): Buffer {
  // members in this order and no others: the standard hashes these very bytes
  const thumbprint = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest()
  return createHash('sha256').update(thumbprint).update(expiry).digest()
}

export interface AttestedKeysPorts {
  clock: Clock
  /** None: keys stay as they are. */
  attestor?: Attestor | undefined
  /** Told of each try. */
  onAttested(ok: boolean): void
  /** Milliseconds that evidence may take; then the key goes out without. Default 5000. */
  waitMs?: number
}

interface Tried {
  kid: string
  at: number
  failed: boolean
  made: Promise<Attestation | undefined>
}

/** Puts evidence to keys before they are told. The offered key's is asked for once, whoever fetches the document. */
export class AttestedKeys {
  readonly #ports: AttestedKeysPorts
  #last: Tried | undefined

  constructor(ports: AttestedKeysPorts) {
    this.#ports = ports
  }

  /** The offered key. Never rejects. */
  async offered(key: PublishedKey): Promise<PublishedKey> {
    const now = this.#ports.clock.now()
    const last = this.#last
    const useless = last === undefined || last.kid !== key.kid || (last.failed && now >= last.at + retryAfterSeconds)
    const tried = useless ? this.#try(key, now) : last
    this.#last = tried
    return joined(key, await tried.made)
  }

  /** A key for one request. Never rejects. */
  async oneTime(key: PublishedKey): Promise<PublishedKey> {
    return joined(key, await this.#attest(key))
  }

  #try(key: PublishedKey, now: number): Tried {
    const tried: Tried = { kid: key.kid, at: now, failed: false, made: this.#attest(key) }
    void tried.made.then((made) => (tried.failed = made === undefined))
    return tried
  }

  async #attest(key: PublishedKey): Promise<Attestation | undefined> {
    const { attestor, onAttested, waitMs = 5000 } = this.#ports
    if (attestor === undefined) return undefined
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(new Error('the attestor takes too long')), waitMs)
    try {
      const evidence = await Promise.race([attestor.attest(reportDataOf(key)), late.promise])
      onAttested(true)
      return { format: attestor.format, evidence: Buffer.from(evidence).toString('base64') }
    } catch {
      onAttested(false)
      return undefined
    } finally {
      clearTimeout(timer)
    }
  }
}

function joined(key: PublishedKey, attestation: Attestation | undefined): PublishedKey {
  return attestation === undefined ? key : { ...key, attestation }
}
