import { hash } from 'node:crypto'
import type { Clock } from '../../clock/clock.ts'
import { WasmRefusal } from '../wasm-error.ts'
import type { WasmStore } from '../wasm-store.ts'
import { isLive, isSecretOf, newApiKey, parseApiKey, type Scope, type StoredApiKey } from './api-keys.ts'

/** A key as lists show it: never its MAC. Unix seconds. */
export type ShownApiKey = Omit<StoredApiKey, 'mac'>

/** How long a rotated key goes on beside its successor. */
export const rotationOverlapSeconds = 24 * 3600

/** Keys that were found right, remembered. */
const checkedAtMost = 10_000

/** Makes, checks, ends API keys. */
export class ApiKeyring {
  readonly #store: WasmStore
  readonly #pepper: Uint8Array
  readonly #clock: Clock
  /** By SHA-256 of its text, the row a key was checked against: where the store has another one now, it is checked anew. */
  readonly #checked = new Map<string, StoredApiKey>()

  constructor(store: WasmStore, pepper: Uint8Array, clock: Clock) {
    this.#store = store
    this.#pepper = pepper
    this.#clock = clock
  }

  /** A new key; `text` is its only appearance. */
  create(wanted: {
    label: string
    scopes: readonly Scope[]
    wallet: string | null
    expiresAt: number | null
  }): ShownApiKey & { text: string } {
    const { text, id, mac } = newApiKey(this.#pepper)
    const stored: StoredApiKey = { id, mac, ...wanted, createdAt: this.#clock.now(), revokedAt: null, lastUsedAt: null }
    this.#store.addKey(stored)
    return { ...shown(stored), text }
  }

  list(): ShownApiKey[] {
    return this.#store.keys().map(shown)
  }

  /** Ends it now. False if there is none. */
  revoke(id: string): boolean {
    return this.#store.revokeKey(id, this.#clock.now())
  }

  /** A successor with the same rights; the old one goes on for a day. Undefined if there is none that lives. */
  rotate(id: string): (ShownApiKey & { text: string }) | undefined {
    const old = this.#store.key(id)
    if (old === undefined || !isLive(old, this.#clock.now())) return undefined
    const next = this.create({ label: old.label, scopes: old.scopes, wallet: old.wallet, expiresAt: old.expiresAt })
    this.#store.revokeKey(id, this.#clock.now() + rotationOverlapSeconds)
    return next
  }

  /** The key behind a header. Throws `UNAUTHORIZED` for all that is wrong with it, `SCOPE_MISSING` if it may not do this. */
  authorize(header: string | undefined, scope: Scope): StoredApiKey {
    const stored = header === undefined ? undefined : this.#storedOf(header)
    const now = this.#clock.now()
    if (stored === undefined || !isLive(stored, now)) throw new WasmRefusal('UNAUTHORIZED')
    if (!stored.scopes.includes(scope)) throw new WasmRefusal('SCOPE_MISSING')
    // once a minute is enough to tell a key that is used from one that is not
    if (stored.lastUsedAt === null || now - stored.lastUsedAt >= 60) this.#store.touchKey(stored.id, now)
    return stored
  }

  /** The row of the key whose whole text this is. The text itself is not kept. */
  #storedOf(text: string): StoredApiKey | undefined {
    const name = hash('sha256', text)
    const checked = this.#checked.get(name)
    if (checked !== undefined && this.#store.key(checked.id) === checked) return checked
    this.#checked.delete(name)
    const parsed = parseApiKey(text)
    const stored = parsed === undefined ? undefined : this.#store.key(parsed.id)
    if (parsed === undefined || stored === undefined || !isSecretOf(stored, parsed.secret, this.#pepper)) return undefined
    if (this.#checked.size >= checkedAtMost) this.#checked.clear()
    this.#checked.set(name, stored)
    return stored
  }
}

function shown(stored: StoredApiKey): ShownApiKey {
  const { id, scopes, wallet, label, createdAt, expiresAt, revokedAt, lastUsedAt } = stored
  return { id, scopes, wallet, label, createdAt, expiresAt, revokedAt, lastUsedAt }
}
