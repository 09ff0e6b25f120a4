import type { Access, Caller } from './access.ts'
import type { Given } from './check-params.ts'
import { badParameter } from './refusal.ts'
import type { World } from './world.ts'

/** A file that was uploaded. */
export interface Upload {
  name: string
  /** SHA-256 of its content, and its size. */
  sha256: string
  sizeBytes: number
  /** Where it lies until the route takes it. */
  path: string
  /** Its first bytes, to tell what it is. */
  head: Buffer
}

/** A request that has passed schema and rights. */
export interface Context {
  world: World
  access: Access
  caller: Caller
  verb: string
  /** Parameters of the path and of query or body. */
  given: Given
  upload: Upload | undefined
}

/** Answers `data`, or a whole body with siblings of it. */
export type Handler = (context: Context) => unknown
/** By `METHOD template`. */
export type Routes = Record<string, Handler>

/** Siblings of `data` in an answer. */
export class WithSiblings {
  readonly body: Record<string, unknown>
  constructor(body: Record<string, unknown>) {
    this.body = body
  }
}

export function text(c: Context, name: string): string {
  const value = c.given[name]
  if (value === undefined) throw badParameter({ [name]: 'property is missing and it is not optional' })
  return Array.isArray(value) ? (value.at(-1) ?? '') : value
}

export function optional(c: Context, name: string): string | undefined {
  return c.given[name] === undefined ? undefined : text(c, name)
}

export function whole(c: Context, name: string): number {
  return Number(text(c, name))
}

export function flagged(c: Context, name: string): boolean {
  return /^(1|on|yes|true)$/i.test(optional(c, name) ?? '0')
}
