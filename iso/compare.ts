import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** Paths that may differ between two builds of one commit with the same packages, with the reason of each: `path — reason`. */
export function readExceptions(text: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const line of text.split('\n').filter((one) => one !== '' && !one.startsWith('#'))) {
    const [path = '', reason = ''] = line.split(' — ')
    if (!path.startsWith('/') || /[*?[]/.test(path) || reason.trim() === '')
      throw new Error(`no exact path with its reason: ${line}`)
    found.set(path, reason)
  }
  if (found.size > 20) throw new Error(`${found.size} exceptions; at most 20`)
  return found
}

/** Paths of two unpacked roots that differ in kind, mode, owner, target or content; sorted. Times are the file system's own matter. */
export function differing(a: string, b: string, path = '/'): string[] {
  const [left, right] = [join(a, path), join(b, path)]
  const names = new Set([left, right].flatMap((folder) => readdirSync(folder)))
  return [...names].sort().flatMap((name) => {
    const inside = join(path, name)
    const [one, other] = [a, b].map((root) => lstatSync(join(root, inside), { throwIfNoEntry: false }))
    if (one === undefined || other === undefined) return [inside]
    if (one.mode !== other.mode || one.uid !== other.uid || one.gid !== other.gid) return [inside]
    if (one.isDirectory()) return differing(a, b, inside)
    const content = (root: string): string =>
      one.isSymbolicLink()
        ? readlinkSync(join(root, inside))
        : one.isFile()
          ? createHash('sha256')
              .update(readFileSync(join(root, inside)))
              .digest('hex')
          : String(one.rdev)
    return content(a) === content(b) ? [] : [inside]
  })
}

/** What speaks against two builds being the same: differences without a reason, and reasons without a difference. */
export function complaints(found: readonly string[], exceptions: ReadonlyMap<string, string>): string[] {
  return [
    ...found.filter((path) => !exceptions.has(path)).map((path) => `${path} differs`),
    ...[...exceptions.keys()]
      .filter((path) => !found.includes(path))
      .map((path) => `${path} is an exception and does not differ`),
  ]
}
