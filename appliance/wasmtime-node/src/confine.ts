import { spawnSync } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'

/** Files and folders that a confined process may open; all else is refused by the kernel, whoever owns it. Absent ones are left out. */
export interface Opens {
  /** To read and to execute. */
  read?: readonly string[]
  /** To read and to write. */
  write?: readonly string[]
}

const launcher = join(import.meta.dirname, '../build', `confine.${process.platform}-${process.arch}`)
/** What Node and its libraries open at their start, and this package. */
const ownReads = [
  process.execPath,
  '/usr/lib',
  '/usr/lib64',
  '/lib',
  '/lib64',
  '/etc/ld.so.cache',
  '/etc/ssl/openssl.cnf',
  '/dev/urandom',
  join(import.meta.dirname, '..'),
]

let able: boolean | undefined

/** Whether this kernel can confine a process: landlock(7) version 6, Linux 6.12. Asked once. */
export function canConfine(): boolean {
  able ??= existsSync(launcher) && spawnSync(launcher, ['--check'], { stdio: 'ignore', timeout: 5000 }).status === 0
  return able
}

/**
 * The words to put before the command of a Node process that loads this package, so that it opens nothing but what it needs to
 * start and what is named here, and can neither signal nor trace what is outside of it. None where the kernel cannot do that:
 * ask `canConfine`. The launcher replaces itself, so the pid is the command's.
 */
export function confined({ read = [], write = [] }: Opens = {}): string[] {
  if (!canConfine()) return []
  const reads = [...ownReads, ...read].filter(existsSync).map((path) => realpathSync(path))
  return [
    launcher,
    ...[...new Set(reads)].flatMap((path) => ['--read', path]),
    ...['/dev/null', ...write].flatMap((path) => ['--write', path]),
    '--',
  ]
}
