import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { LoginRequest } from '../sign-in/login-request.ts'
import { askerHash } from './identity.ts'

export function nonceHashOf(kept: string): string {
  return sha256(`freehold-asker:${kept}`)
}

/** Whether this request comes from the asker: the browser by its cookie, the CLI by its nonce. Guests never ask here. */
export function askedBy(request: FastifyRequest, nonce: string | undefined): (asked: LoginRequest) => boolean {
  const cookieHash = askerHash(request)
  const nonceHash = nonce === undefined ? undefined : nonceHashOf(nonce)
  return ({ asker }) => {
    if (asker.kind === 'browser') return cookieHash !== null && same(asker.cookieHash, cookieHash)
    return asker.kind === 'cli' && nonceHash !== undefined && same(asker.nonceHash, nonceHash)
  }
}

function same(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}

function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex')
}
