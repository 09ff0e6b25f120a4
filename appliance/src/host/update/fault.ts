/** Why there was no update: what happened, what to do, and a code to look up. Free of imports: it runs while the product is replaced. */
export class UpdateFault extends Error {
  readonly code: UpdateFaultCode
  readonly remedy: string

  constructor(code: UpdateFaultCode, wrong: string, remedy: string, cause?: unknown) {
    super(wrong, { cause })
    this.name = 'UpdateFault'
    this.code = code
    this.remedy = remedy
  }
}

/** Codes that `freehold update` prints. */
export const updateFaultCodes = [
  'update-not-set',
  'update-unreachable',
  'update-untrusted',
  'update-not-possible',
  'update-busy',
  'update-rolled-back',
  'update-failed',
] as const
export type UpdateFaultCode = (typeof updateFaultCodes)[number]
