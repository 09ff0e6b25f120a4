/** One thing that was looked at. `failed` means the host cannot be trusted to work as promised; `warning` that somebody should look. */
export interface Check {
  id: string
  state: 'ok' | 'warning' | 'failed'
  /** What was found, one sentence; never a secret. */
  text: string
  /** What a person should do; empty where all is well. */
  remedy: string
}

/** A finding that is no good: thrown inside a check, with its remedy. */
export class Finding extends Error {
  readonly remedy: string
  readonly state: 'warning' | 'failed'

  constructor(text: string, remedy: string, state: 'warning' | 'failed' = 'failed') {
    super(text)
    this.name = 'Finding'
    this.remedy = remedy
    this.state = state
  }
}

/** Runs one check; whatever it throws is its failure, never the end of the others. */
export async function check(id: string, look: () => Promise<string>): Promise<Check> {
  try {
    return { id, state: 'ok', text: await look(), remedy: '' }
  } catch (error) {
    if (error instanceof Finding) return { id, state: error.state, text: error.message, remedy: error.remedy }
    const remedy = error instanceof Error && 'hint' in error && typeof error.hint === 'string' ? error.hint : ''
    return { id, state: 'failed', text: error instanceof Error ? error.message : String(error), remedy }
  }
}
