import { randomBytes } from 'node:crypto'

/** 128 random bits in hex. */
export function newHexId(): string {
  return randomBytes(16).toString('hex')
}
