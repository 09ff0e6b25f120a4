import { chmod, chown, copyFile, cp, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { UpdateFault } from './fault.ts'
import { isHealthy, start, stop, type Judgement } from './health.ts'
import { end, readJournal, syncFolder, writeJournal, type Journal, type Outcome } from './journal.ts'
import { fetchNew, install, installed, installOld, keepOld, offered } from './packages.ts'
import { places, units } from './places.ts'

// An update of the host. Everything of before is kept first: packages, made again from what is installed, and the database, copied
// while the daemon stands still. The new daemon has to answer; else, and after a cut at any moment, all is as before.

/**
 * Brings what the repository offers. Answers how it ended; `rolled-back` is an answer, too: the host works as before.
 * Throws UpdateFault where nothing was begun.
 */
export async function apply(say: (line: string) => void, how?: Judgement): Promise<Outcome> {
  if ((await readJournal()) !== undefined) {
    throw new UpdateFault(
      'update-busy',
      'An update was cut short and is not taken back yet.',
      'systemctl start freehold-update-resume.service',
    )
  }
  const to = await offered()
  const all = await installed()
  const from = Object.fromEntries(Object.keys(to).map((name) => [name, all[name] ?? '']))
  if (Object.keys(to).length === 0) return { outcome: 'nothing-to-do', from: all, to: {} }
  say(`packages: ${versionsText(to)}`)
  await fetchNew(to)
  await keepOld(from)
  await keepProgram()
  // those of an earlier update are none of this one's
  await rm(databaseFolder, { recursive: true, force: true })
  await writeJournal({ phase: 'stopping', from, to })
  return await goOn({ phase: 'stopping', from, to }, say, how)
}

/** After a cut: goes on or takes back, so that the host works. Without a journal there is nothing to do. */
export async function resume(say: (line: string) => void, how?: Judgement): Promise<Outcome | undefined> {
  const journal = await readJournal()
  if (journal === undefined) return undefined
  say(`an update was cut short while ${journal.phase}`)
  if (journal.phase === 'stopping') return await untouched({ ...journal, because: 'cut before anything was changed' })
  return await goOn(
    journal.phase === 'installing' ? { ...journal, phase: 'returning', because: 'cut while packages changed' } : journal,
    say,
    how,
  )
}

async function goOn(begun: Journal, say: (line: string) => void, how: Judgement | undefined): Promise<Outcome> {
  const { from, to } = begun
  let { phase, because } = begun
  const next = async (to: Journal['phase']): Promise<void> => {
    phase = to
    await writeJournal({ ...begun, phase, ...(because !== undefined && { because }) })
    say(phase)
  }
  try {
    if (phase === 'stopping') {
      await stop(units)
      await copyDatabases()
      await next('installing')
    }
    if (phase === 'installing') {
      await install()
      await next('judging')
    }
    if (phase === 'judging') {
      await start(units)
      if (await isHealthy(how)) {
        const outcome: Outcome = { outcome: 'updated', from, to }
        await end(outcome)
        return outcome
      }
      because = 'the new daemon did not answer'
    }
  } catch (error) {
    because = (error as Error).message
  }
  if (phase === 'stopping') return await untouched({ from, to, because: because ?? 'cut before anything was changed' })
  await next('returning')
  return await back({ from, to, because: because ?? 'cut' }, how)
}

/** Nothing was changed yet: what was stopped is started. */
async function untouched({ from, to, because }: Omit<Outcome, 'outcome'> & { because: string }): Promise<Outcome> {
  await start(units)
  const outcome: Outcome = { outcome: 'rolled-back', from, to, because }
  await end(outcome)
  return outcome
}

/** Packages and database of before, and proof that they work. Killed in the middle it is done again from its beginning. */
async function back(what: Omit<Outcome, 'outcome'>, how: Judgement | undefined): Promise<Outcome> {
  let outcome: Outcome
  try {
    await stop(units)
    await installOld()
    // maintainer scripts may have started the daemon on the database of after
    await stop(units)
    await restoreDatabases()
    await start(units)
    const well = await isHealthy(how)
    outcome = { ...what, outcome: well ? 'rolled-back' : 'failed' }
  } catch (error) {
    await start(units)
    outcome = { ...what, outcome: 'failed', because: `${what.because ?? ''}; and the way back: ${(error as Error).message}` }
  }
  await end(outcome)
  return outcome
}

const databaseFolder = join(places.state, 'databases')
const partsOf = (database: string): string[] => [database, `${database}-wal`, `${database}-shm`]

/** The files of each database, with owner and mode. Nobody has them open. */
async function copyDatabases(): Promise<void> {
  const making = `${databaseFolder}.new`
  await rm(making, { recursive: true, force: true })
  await mkdir(making, { recursive: true, mode: 0o700 })
  for (const file of places.databases.flatMap(partsOf)) await copyWhole(file, join(making, basename(file)))
  // all or none: a database without its log would be an older one
  await rename(making, databaseFolder)
  await syncFolder(places.state)
}

async function restoreDatabases(): Promise<void> {
  const kept = await readdir(databaseFolder)
  for (const database of places.databases) {
    // shared memory and log belong to the file of after
    for (const file of partsOf(database).slice(1)) await rm(file, { force: true })
    for (const file of partsOf(database)) {
      if (kept.includes(basename(file))) await copyWhole(join(databaseFolder, basename(file)), file)
    }
  }
}

async function copyWhole(from: string, to: string): Promise<void> {
  const found = await stat(from).catch(() => undefined)
  if (found === undefined) return
  await copyFile(from, `${to}.copy`)
  await chown(`${to}.copy`, found.uid, found.gid)
  await chmod(`${to}.copy`, found.mode & 0o777)
  const handle = await open(`${to}.copy`, 'r+')
  await handle.sync()
  await handle.close()
  await rename(`${to}.copy`, to)
  await syncFolder(dirname(to))
}

/** The program that takes an update back must not be what the update replaces: runtime and these files, beside the journal. */
async function keepProgram(): Promise<void> {
  const at = join(places.state, 'program')
  if (import.meta.dirname === at) return
  await rm(at, { recursive: true, force: true })
  await mkdir(at, { recursive: true, mode: 0o700 })
  await link(process.execPath, join(at, 'node')).catch(() => copyFile(process.execPath, join(at, 'node')))
  await cp(import.meta.dirname, at, { recursive: true, filter: (path) => !path.endsWith('.test.ts') })
  await syncFolder(at)
}

export const versionsText = (versions: Record<string, string>): string =>
  Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')
