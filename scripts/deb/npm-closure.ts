// Which npm packages a package needs at run time, told by what is installed: direct names in, folders out.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

interface Manifest {
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
  peerDependenciesMeta?: Record<string, { optional?: boolean }>
}

const manifestOf = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest

/** Folder of a package as Node finds it from another one: the nearest `node_modules` upwards. */
function found(root: string, from: string, name: string): string | undefined {
  for (let at = from; at === root || at.startsWith(`${root}/`); at = dirname(at)) {
    const folder = join(at, 'node_modules', name)
    if (existsSync(join(folder, 'package.json'))) return folder
  }
  return undefined
}

/**
 * All folders of npm packages that these ones need, themselves included, sorted. Each is looked for from the workspace of ours
 * that names it among its dependencies, which may have a version of its own beside it. What is optional and not installed (other
 * platforms' binaries) is left out; what is needed and not installed is an error. Workspaces are not followed.
 * @param users workspaces in the package, name → folder; @param own all of them
 */
export function npmClosure(
  root: string,
  names: readonly string[],
  users: ReadonlyMap<string, string>,
  own: ReadonlyMap<string, string>,
): string[] {
  const folders = new Set<string>()
  const homes = (name: string): string[] => {
    const found = [...users.values()]
      .map((folder) => join(root, folder))
      .filter((folder) => name in (manifestOf(folder).dependencies ?? {}))
    return found.length === 0 ? [root] : found
  }
  const waiting = names.flatMap((name) => homes(name).map((from) => ({ name, from, needed: true })))
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { name, from, needed } = next
    if (own.has(name)) continue
    const folder = found(root, from, name)
    if (folder === undefined) {
      if (needed) throw new Error(`${name}, which ${from} needs, is not installed: npm install --ignore-scripts`)
      continue
    }
    if (folders.has(folder)) continue
    folders.add(folder)
    const manifest = manifestOf(folder)
    const optionalPeers = manifest.peerDependenciesMeta ?? {}
    for (const dependency of Object.keys(manifest.dependencies ?? {}))
      waiting.push({ name: dependency, from: folder, needed: !(dependency in (manifest.optionalDependencies ?? {})) })
    for (const dependency of Object.keys(manifest.optionalDependencies ?? {}))
      waiting.push({ name: dependency, from: folder, needed: false })
    for (const peer of Object.keys(manifest.peerDependencies ?? {}))
      if (optionalPeers[peer]?.optional !== true) waiting.push({ name: peer, from: folder, needed: false })
  }
  return [...folders].sort()
}
