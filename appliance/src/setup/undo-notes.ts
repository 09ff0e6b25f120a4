import { z } from 'zod'
import type { Journal } from './context.ts'

/**
 * What a step found before it changed something: enough to take the change back. The first note stands until setup has ended
 * well or is undone, so that a second try never takes the half-done work of the first for what was there before.
 */
export interface UndoNotes {
  /** Text of the configuration before; null where there was none. */
  config: string | null
  /** SHA-256 of guest images that were not in the store. */
  template: readonly string[]
  /** Whether the public address had a certificate of its own. */
  certificate: boolean
  /** An address of this host's own keys that somebody was asked to pay. */
  funds: string
  /** Storages that setup has made: each answer's own. */
  storage: readonly string[]
}

const schemas: { [Name in keyof UndoNotes]: z.ZodType<UndoNotes[Name]> } = {
  config: z.string().nullable(),
  template: z.array(z.string()),
  certificate: z.boolean(),
  funds: z.string(),
  storage: z.array(z.string()),
}

const entry = z.strictObject({ before: z.unknown() })

/** Notes it unless it is noted already. */
export async function noteBefore<Name extends keyof UndoNotes>(
  journal: Journal,
  name: Name,
  before: UndoNotes[Name],
): Promise<void> {
  if (!entry.safeParse(await journal.get(`undo ${name}`)).success) await journal.put(`undo ${name}`, { before })
}

/** Notes what is the same at every try. */
export async function noteAsked(journal: Journal, address: string): Promise<void> {
  await journal.put('undo funds', { before: address })
}

/** Notes one more thing that was made. Repeated it changes nothing. */
export async function noteMade(journal: Journal, name: 'template' | 'storage', made: string): Promise<void> {
  const before = (await noteOf(journal, name)) ?? []
  if (!before.includes(made)) await journal.put(`undo ${name}`, { before: [...before, made] })
}

/** What was noted; undefined where nothing was changed. */
export async function noteOf<Name extends keyof UndoNotes>(journal: Journal, name: Name): Promise<UndoNotes[Name] | undefined> {
  const kept = entry.safeParse(await journal.get(`undo ${name}`)).data
  return kept === undefined ? undefined : schemas[name].parse(kept.before)
}

/** Setup has ended: there is nothing to go back to any more. */
export async function clearNotes(journal: Journal): Promise<void> {
  for (const name of Object.keys(schemas)) await journal.put(`undo ${name}`, null)
}
