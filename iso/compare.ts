import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

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

/** Extended attributes of every path that has any, the root's own included; names and values. */
function attributes(root: string): Map<string, string> {
  // Node has no call for them, and getfattr would be one more package; python3 comes with the tests' own
  const found = execFileSync('python3', ['-c', listAttributes, root], { encoding: 'utf8', maxBuffer: 256 * 2 ** 20 })
  return new Map(Object.entries(JSON.parse(found) as Record<string, string>))
}
const listAttributes = `
import json, os, sys
root = os.fsencode(sys.argv[1])
found = {}
def look(path):
    names = sorted(os.listxattr(path, follow_symlinks=False))
    if names:
        at = os.fsdecode(path[len(root):]) or '/'
        found[at] = ' '.join(n + '=' + os.getxattr(path, n, follow_symlinks=False).hex() for n in names)
look(root)
for folder, folders, files in os.walk(root):
    for name in folders + files:
        look(os.path.join(folder, name))
json.dump(found, sys.stdout)
`

/**
 * Paths of two unpacked roots that differ in kind, mode, owner, time (to the second, as a squashfs keeps it), extended attributes
 * (capabilities of files are one), target or content; sorted within each folder.
 */
export function differing(a: string, b: string): string[] {
  const [ofA, ofB] = [attributes(a), attributes(b)]
  const seconds = (ms: number): number => Math.floor(ms / 1000)
  const same = (inside: string): boolean => {
    const [one, other] = [lstatSync(join(a, inside)), lstatSync(join(b, inside))]
    if (one.mode !== other.mode || one.uid !== other.uid || one.gid !== other.gid) return false
    if (seconds(one.mtimeMs) !== seconds(other.mtimeMs) || ofA.get(inside) !== ofB.get(inside)) return false
    if (one.isDirectory()) return true
    if (one.isSymbolicLink()) return readlinkSync(join(a, inside)) === readlinkSync(join(b, inside))
    if (!one.isFile()) return one.rdev === other.rdev
    return one.size === other.size && readFileSync(join(a, inside)).equals(readFileSync(join(b, inside)))
  }
  const below = (folder: string): string[] => {
    const names = new Set([a, b].flatMap((root) => readdirSync(join(root, folder))))
    return [...names].sort().flatMap((name) => {
      const inside = join(folder, name)
      const both = [a, b].map((root) => lstatSync(join(root, inside), { throwIfNoEntry: false })?.isDirectory())
      if (both.includes(undefined)) return [inside]
      // what is in it is told too: a folder's time changes with it
      return [...(same(inside) ? [] : [inside]), ...(both[0] && both[1] ? below(inside) : [])]
    })
  }
  return [...(same('/') ? [] : ['/']), ...below('/')]
}

/** Of what differs in no path: order of files, compression. No exception can name it. */
export const layoutOnly = 'the file system image, with the same in every path,'

/**
 * What differs between two squashfs images: nothing where their hashes are equal, else the paths of what `unpack` makes of them, and
 * never nothing.
 */
export async function differingImages(
  [a, b]: readonly [string, string],
  unpack: (squashfs: string) => string,
): Promise<readonly string[]> {
  // one after the other: half a gigabyte each
  if ((await sha256Of(a)) === (await sha256Of(b))) return []
  const found = differing(unpack(a), unpack(b))
  return found.length === 0 ? [layoutOnly] : found
}

async function sha256Of(file: string): Promise<string> {
  const sum = createHash('sha256')
  await pipeline(createReadStream(file), sum)
  return sum.digest('hex')
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
