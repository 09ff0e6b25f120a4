import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const repository = resolve(import.meta.dirname, '../..')

/** What `scripts/build-template.sh --json` prints. */
export interface BuiltTemplate {
  /** Path of the qcow2. */
  image: string
  /** SHA-256 of the image's bytes; its name as well. */
  sha256: string
  /** Path of the tar of the root file system. */
  root: string
}

/** One entry of the root tar. */
export interface RootEntry {
  /** Path without a leading slash. */
  path: string
  /** `-` file, `d` folder, `l` link, `h` hard link, `c`/`b` device. */
  type: string
  /** As `ls` prints it: `rwxr-xr-x`. */
  mode: string
  uid: number
  gid: number
  bytes: number
  /** Where a link leads, else ''. */
  target: string
}

/** The template as the build script gives it: built on the first call, out of the cache afterwards. */
export async function builtTemplate(): Promise<BuiltTemplate> {
  const { stdout } = await run(resolve(repository, 'scripts/build-template.sh'), ['--json'], { timeout: 900_000 })
  return JSON.parse(stdout) as BuiltTemplate
}

/** All entries of the root tar, in its order. */
export async function rootEntries(root: string): Promise<RootEntry[]> {
  const { stdout } = await run('tar', ['--numeric-owner', '-tvf', root], { maxBuffer: 64 << 20, timeout: 60_000 })
  return stdout.trimEnd().split('\n').map(parseEntry)
}

/** The text of one file in the root tar. @throws if it is not there. */
export async function rootFile(root: string, path: string): Promise<string> {
  const { stdout } = await run('tar', ['-xOf', root, `./${path}`], { maxBuffer: 16 << 20, timeout: 60_000 })
  return stdout
}

/** Runs a program as root of an own mount namespace (of a user namespace, if we are not root). */
export async function asRoot(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(resolve(repository, 'template-vm/recipe/as-root.sh'), [program, ...args], {
    maxBuffer: 16 << 20,
    timeout: 120_000,
  })
  return stdout
}

function parseEntry(line: string): RootEntry {
  const match = /^(.)(\S{9})\S* (\d+)\/(\d+)\s+(\d+(?:,\d+)?) \S+ \S+ \.\/(.*)$/.exec(line)
  if (match === null) throw new Error(`unreadable line of tar: ${line}`)
  const [, type = '', mode = '', uid, gid, bytes, rest = ''] = match
  const [path = '', target = ''] = rest.split(/ -> | link to /)
  return { type, mode, uid: Number(uid), gid: Number(gid), bytes: Number(bytes), path: path.replace(/\/$/, ''), target }
}
