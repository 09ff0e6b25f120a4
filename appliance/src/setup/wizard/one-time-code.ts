import { randomBytes, timingSafeEqual } from 'node:crypto'
import { open, readFile, rename, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { eraseFile, overwrite } from '../../config/erase-file.ts'

/** Wrong tries after which a code is void and another stands on the machine's screen (W2). */
export const triesPerCode = 5
const length = 6
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

const kept = z.strictObject({ code: z.string(), wrong: z.number().int(), voided: z.number().int() })

/** What became of a try. `left` tries stay for the code that stands on the screen now. */
export type Try = { right: true } | { right: false; left: number; renewed: boolean }

/**
 * The code on the machine's own screen: whoever reads it stands before the machine. Right once, then another takes its place;
 * wrong five times, too. It lies in one file of mode 0600, which the screen reads, and outlives the daemon.
 */
export interface OneTimeCode {
  /** The code as the screen shows it, and how often one was voided by wrong tries. */
  shown(): { code: string; left: number; voided: number }
  /** Takes a try. Case, blanks and dashes do not count; `O` is 0, `I` and `L` are 1. */
  take(text: string): Promise<Try>
  /** Another code, asked for at the machine. */
  renew(): Promise<void>
  /** No code any more, nor a trace of one on the disk: setup is over (I7). */
  remove(): Promise<void>
}

/** Six characters of Crockford's base32, 30 bits: five tries find it once in 200 million. */
export function newSetupCode(): string {
  // 256 is a multiple of 32: no character is likelier than another
  return [...randomBytes(length)].map((byte) => alphabet[byte % 32]).join('')
}

/** The plain code in what was typed, or undefined if it cannot be one. */
export function parseSetupCode(text: string): string | undefined {
  const plain = text.replaceAll(/[-\s]/g, '').toUpperCase().replaceAll('O', '0').replaceAll(/[IL]/g, '1')
  return plain.length === length && new RegExp(`^[${alphabet}]+$`).test(plain) ? plain : undefined
}

/** Opens the code kept in `file`, or makes the first one. A file that cannot be read gives way to a new code. */
export async function openOneTimeCode(file: string): Promise<OneTimeCode> {
  const read = await readFile(file, 'utf8').catch(() => '')
  const parsed = kept.safeParse(parseJson(read))
  let state = parsed.success ? parsed.data : { code: newSetupCode(), wrong: 0, voided: 0 }
  let writing: Promise<void> = Promise.resolve()

  /** In order: the file never goes back to a code that is void. */
  async function keep(next: typeof state): Promise<void> {
    state = next
    const turn = writing.then(async () => {
      const former = await open(file, 'r+').catch(() => undefined)
      try {
        await writeFile(`${file}.new`, JSON.stringify(next), { mode: 0o600 })
        await rename(`${file}.new`, file)
        // no block of the disk keeps a code that was shown (I7)
        if (former !== undefined) await overwrite(former)
      } finally {
        await former?.close()
      }
    })
    writing = turn.catch(() => undefined)
    await turn
  }
  if (!parsed.success) await keep(state)

  return {
    shown: () => ({ code: state.code, left: triesPerCode - state.wrong, voided: state.voided }),
    async take(text) {
      const given = parseSetupCode(text)
      if (given !== undefined && timingSafeEqual(Buffer.from(given), Buffer.from(state.code))) {
        await keep({ code: newSetupCode(), wrong: 0, voided: state.voided })
        return { right: true }
      }
      const wrong = state.wrong + 1
      const renewed = wrong >= triesPerCode
      // what is counted is in memory before anything is awaited: tries at the same moment are counted one by one
      await keep(renewed ? { code: newSetupCode(), wrong: 0, voided: state.voided + 1 } : { ...state, wrong })
      return { right: false, left: triesPerCode - state.wrong, renewed }
    },
    renew: () => keep({ code: newSetupCode(), wrong: 0, voided: state.voided }),
    async remove() {
      await writing
      await eraseFile(`${file}.new`)
      await eraseFile(file)
    },
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
