import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../errors/app-error.ts'
import { systemClock } from '../clock/clock.ts'

/** One process of embedded mode. */
export interface ProcessSpec {
  name: string
  command: string
  args: readonly string[]
  env?: Record<string, string>
  cwd?: string
  /** Asked every 50 ms until true; the start fails after `readyWithinSeconds`. */
  ready(): Promise<boolean>
  readyWithinSeconds: number
  /** Seconds between SIGTERM and SIGKILL at stop. */
  stopWithinSeconds?: number
}

/** A running set of processes. */
export interface Supervisor {
  start(spec: ProcessSpec): Promise<void>
  /** SIGKILLs one process, as a crash would; it is started again by itself. */
  crash(name: string): void
  pid(name: string): number | undefined
  /** Stops all it started, last first, each by its pid. May be called twice. */
  stop(): Promise<void>
}

interface Running {
  spec: ProcessSpec
  child: ChildProcess
  startedAtMs: number
  restarts: number
}

/** Start time of a process in clock ticks (proc(5), field 22), so that a re-used pid is never taken for ours. */
function startTicks(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19]
  } catch {
    return undefined
  }
}

/** Waits until `condition` holds. Throws `timed-out` naming `what`. */
export async function until(what: string, seconds: number, condition: () => Promise<boolean>, intervalMs = 50): Promise<void> {
  const end = systemClock.monotonicMs() + seconds * 1000
  while (!(await condition().catch(() => false))) {
    if (systemClock.monotonicMs() > end)
      throw new AppError({ code: 'timed-out', detail: `${what} was not ready within ${seconds} s.` })
    await systemClock.wait(intervalMs)
  }
}

/**
 * Runs processes without systemd: logs to `<folder>/log/<name>.log`, restarts what dies, and remembers pids in
 * `<folder>/run/pids.json` so that a start after a crash of the supervisor first ends what was left over.
 */
export async function createSupervisor(folder: string): Promise<Supervisor> {
  const pidFile = join(folder, 'run/pids.json')
  const running = new Map<string, Running>()
  let stopping = false

  await endLeftOvers()
  // from here on a second start on this folder is refused
  remember()

  function remember(): void {
    const rows = [...running.values()].flatMap(({ spec, child }) =>
      child.pid === undefined ? [] : [{ name: spec.name, pid: child.pid, ticks: startTicks(child.pid) ?? '' }],
    )
    writeFileSync(pidFile, JSON.stringify({ supervisor: { pid: process.pid, ticks: startTicks(process.pid) ?? '' }, rows }))
  }

  async function endLeftOvers(): Promise<void> {
    let kept: { supervisor: { pid: number; ticks: string }; rows: { name: string; pid: number; ticks: string }[] }
    try {
      kept = JSON.parse(readFileSync(pidFile, 'utf8')) as typeof kept
    } catch {
      return
    }
    const { supervisor, rows } = kept
    if (startTicks(supervisor.pid) === supervisor.ticks) {
      throw new AppError({
        code: 'not-in-this-state',
        detail: `Freehold already runs on this state folder (process ${supervisor.pid}).`,
        hint: 'Use it, stop it with Ctrl-C, or give another folder with --state.',
      })
    }
    const alive = () => rows.filter((row) => startTicks(row.pid) === row.ticks)
    for (const row of alive()) process.kill(row.pid, 'SIGTERM')
    await until('the end of processes of an earlier start', 10, async () => alive().length === 0).catch(() => {
      for (const row of alive()) process.kill(row.pid, 'SIGKILL')
    })
  }

  function launch(spec: ProcessSpec): ChildProcess {
    const log = openSync(join(folder, 'log', `${spec.name}.log`), 'a', 0o600)
    // a session of its own: Ctrl-C in the terminal reaches the supervisor only, which then stops in order
    const child = spawn(spec.command, spec.args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...spec.env },
      ...(spec.cwd !== undefined && { cwd: spec.cwd }),
    })
    closeSync(log)
    child.on('error', () => undefined)
    child.on('exit', () => void restart(spec.name, child))
    return child
  }

  async function restart(name: string, child: ChildProcess): Promise<void> {
    const entry = running.get(name)
    if (stopping || entry === undefined || entry.child !== child) return
    entry.restarts = systemClock.monotonicMs() - entry.startedAtMs > 60_000 ? 0 : entry.restarts + 1
    await systemClock.wait(Math.min(200 * 2 ** entry.restarts, 10_000))
    if (stopping || running.get(name) !== entry) return
    entry.startedAtMs = systemClock.monotonicMs()
    entry.child = launch(entry.spec)
    remember()
  }

  function lastLines(name: string): string {
    try {
      return readFileSync(join(folder, 'log', `${name}.log`), 'utf8')
        .trimEnd()
        .split('\n')
        .slice(-3)
        .join(' · ')
        .slice(-600)
    } catch {
      return ''
    }
  }

  async function stopOne(entry: Running): Promise<void> {
    const { child, spec } = entry
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGTERM')
    const giveUp = new AbortController()
    const timer = systemClock.wait((spec.stopWithinSeconds ?? 10) * 1000, giveUp.signal).then(() => {
      if (!giveUp.signal.aborted) child.kill('SIGKILL')
    })
    await exited
    giveUp.abort()
    await timer
  }

  return {
    async start(spec) {
      const entry: Running = { spec, child: launch(spec), startedAtMs: systemClock.monotonicMs(), restarts: 0 }
      running.set(spec.name, entry)
      remember()
      try {
        // one that dies again and again will not become ready
        await until(spec.name, spec.readyWithinSeconds, async () => entry.restarts > 2 || (await spec.ready()))
        if (entry.restarts > 2) throw new Error('it ended at once, three times')
      } catch (cause) {
        throw new AppError({
          code: 'process-failed',
          detail: `${spec.name} did not start. Its log ends with: ${lastLines(spec.name) || 'nothing'}`,
          hint: `Read log/${spec.name}.log in the state folder.`,
          cause,
        })
      }
    },
    crash(name) {
      running.get(name)?.child.kill('SIGKILL')
    },
    pid: (name) => running.get(name)?.child.pid,
    async stop() {
      stopping = true
      for (const entry of [...running.values()].reverse()) await stopOne(entry)
      running.clear()
      rmSync(pidFile, { force: true })
    },
  }
}
