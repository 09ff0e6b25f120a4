import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { places } from './places.ts'

/**
 * How far an update came. `stopping`: everything of before and after is kept, nothing is changed yet. `installing`: the database
 * is copied, packages change. `judging`: they are installed, the daemon has to show that it works. `returning`: being taken back.
 */
export const phases = ['stopping', 'installing', 'judging', 'returning'] as const
export type Phase = (typeof phases)[number]

/** Kept while an update is under way; versions by package. */
export interface Journal {
  phase: Phase
  from: Record<string, string>
  to: Record<string, string>
  /** Why it is taken back. */
  because?: string
}

/** How the last update ended. */
export interface Outcome {
  outcome: 'updated' | 'rolled-back' | 'failed' | 'nothing-to-do'
  from: Record<string, string>
  to: Record<string, string>
  because?: string
}

const journalFile = join(places.state, 'journal.json')
const outcomeFile = join(places.state, 'last.json')

export const readJournal = (): Promise<Journal | undefined> => readJson<Journal>(journalFile)
export const writeJournal = (journal: Journal): Promise<void> => writeJson(journalFile, journal)
export const readOutcome = (): Promise<Outcome | undefined> => readJson<Outcome>(outcomeFile)

/** The end of an update: how it went is kept first, then the journal goes. */
export async function end(outcome: Outcome): Promise<void> {
  await writeJson(outcomeFile, outcome)
  await rm(journalFile, { force: true })
  await syncFolder(places.state)
}

async function readJson<T>(file: string): Promise<T | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  // written by us alone, whole or not at all
  return text === undefined ? undefined : (JSON.parse(text) as T)
}

async function writeJson(file: string, content: unknown): Promise<void> {
  const handle = await open(`${file}.new`, 'w', 0o600)
  await handle.writeFile(`${JSON.stringify(content)}\n`)
  await handle.sync()
  await handle.close()
  await rename(`${file}.new`, file)
  await syncFolder(dirname(file))
}

/** A rename holds against a power cut only when its folder is on disk, too. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  await handle.sync()
  await handle.close()
}
