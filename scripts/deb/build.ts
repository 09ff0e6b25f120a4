// Builds Debian packages from packaging/NAME: node scripts/deb/build.ts --out DIR [--pages DIR] NAME...
// Prints one path a line. The same tree gives the same bytes: times are the commit's, owners root, order fixed.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  lutimesSync,
} from 'node:fs'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { npmClosure } from './npm-closure.ts'
import { readRecipe, type Recipe } from './recipe.ts'

const root = resolve(import.meta.dirname, '../..')

/** Of our own sources: tests and the development build stay at home. */
const notShipped = /\.test\.ts$|\/test-[^/]*\.ts$|^appliance\/src\/dev(\/|$)|\/node_modules(\/|$)|\/target(\/|$)|\.tsbuildinfo$/
/** Of npm packages: what only a compiler, a debugger or its own authors read, and other databases than ours. */
const notRun =
  /\.(map|d\.ts|d\.mts|d\.cts|ts|mts|cts|tsbuildinfo|flow|html|sh)$|\/\.[^/]+$|\/(\.bin|bin|test|tests|__tests__|docs|benchmarks?|integration|examples?)(\/|$)|node_modules\/(@[^/]+\/)?[^/]+\/scripts(\/|$)|query_(compiler|engine)_.*(sqlserver|cockroachdb|postgresql|mysql)/
/** Of the pages: pictures are served as they are, so nothing converts them. */
const notServed = /\/node_modules\/(@img|sharp)(\/|$)/

const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Freehold

Files: *
Copyright: 2026 the authors of Freehold
License: Apache-2.0
 On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.
Comment: Each folder below node_modules has the licence of its own authors in it.
`

interface Workspace {
  name: string
  folder: string
}

const workspaces: Workspace[] = (
  JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { workspaces: string[] }
).workspaces.map((folder) => ({
  folder,
  name: (JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as { name: string }).name,
}))

function put(from: string, to: string, leaveOut: RegExp): void {
  if (!existsSync(from)) throw new Error(`${relative(root, from)} is not there`)
  mkdirSync(dirname(to), { recursive: true })
  cpSync(from, to, {
    recursive: true,
    // links stay links, as they are written
    verbatimSymlinks: true,
    filter: (source) => !leaveOut.test(relative(root, source)),
  })
}

/** Depth first, sorted; links are not followed. */
function entries(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      return entry.isDirectory() ? [...entries(path), path] : [path]
    })
}

function dropEmpty(folder: string): void {
  for (const path of entries(folder))
    if (lstatSync(path).isDirectory() && readdirSync(path).length === 0) rmSync(path, { recursive: true })
}

/** The folder that becomes the package, without its DEBIAN part. */
function stage(recipe: Recipe, target: string, pages: string | undefined): void {
  for (const [from, to] of recipe.install) {
    if (from === 'PAGES') {
      if (pages === undefined)
        throw new Error(`${recipe.name} holds the pages: give --pages, the folder that build-wizard.sh prints`)
      mkdirSync(dirname(join(target, to)), { recursive: true })
      cpSync(pages, join(target, to), { recursive: true, verbatimSymlinks: true, filter: (source) => !notServed.test(source) })
    } else put(join(root, from), join(target, to), notShipped)
  }
  if (recipe.npmPackages.length > 0) {
    // of the workspaces, those that are in the package: another's own version of something is not ours
    const own = new Map(workspaces.map(({ name, folder }) => [name, folder]))
    const there = new Map(
      [...own].filter(([, folder]) => recipe.install.some(([from]) => from === folder || from === `${folder}/package.json`)),
    )
    for (const folder of npmClosure(root, recipe.npmPackages, there, own)) {
      put(folder, join(target, dirname(recipe.npmFolder), relative(root, folder)), notRun)
    }
  }
  for (const { name, folder } of workspaces) {
    const line = recipe.install.find(([from]) => from === folder || from === `${folder}/package.json`)
    if (line === undefined) continue
    const home = line[0] === folder ? line[1] : dirname(line[1])
    const link = join(target, recipe.npmFolder, name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(relative(dirname(link), join(target, home)), link)
  }
  for (const [to, link] of recipe.links) {
    mkdirSync(dirname(join(target, link)), { recursive: true })
    symlinkSync(to.startsWith('opt/') || to.startsWith('usr/') ? `/${to}` : to, join(target, link))
  }
  const doc = join(target, 'usr/share/doc', recipe.name)
  mkdirSync(doc, { recursive: true })
  writeFileSync(join(doc, 'copyright'), copyright)
}

function control(recipe: Recipe, target: string, version: string, epoch: number): void {
  const doc = join(target, 'usr/share/doc', recipe.name)
  const news = `${recipe.name} (${version}) stable; urgency=medium\n\n  * Built from the tree; see its history.\n\n -- ${
    /^Maintainer: (.*)$/m.exec(recipe.control)?.[1] ?? ''
  }  ${new Date(epoch * 1000).toUTCString().replace('GMT', '+0000')}\n`
  writeFileSync(join(doc, 'changelog.gz'), gzipSync(news, { level: 9 }))
  const files = entries(target).filter((path) => lstatSync(path).isFile())
  const kib = files.reduce((sum, path) => sum + Math.ceil(lstatSync(path).size / 1024), 0)
  mkdirSync(join(target, 'DEBIAN'))
  const head = recipe.control.replace(/^(Package: .*)$/m, `$1\nVersion: ${version}\nInstalled-Size: ${kib}`)
  writeFileSync(join(target, 'DEBIAN/control'), `${head}\n`)
  const sums = files.map((path) => `${createHash('md5').update(readFileSync(path)).digest('hex')}  ${relative(target, path)}\n`)
  writeFileSync(join(target, 'DEBIAN/md5sums'), sums.join(''))
  for (const script of recipe.scripts) cpSync(join(recipe.folder, script), join(target, 'DEBIAN', script))
  if (recipe.conffiles.length > 0) writeFileSync(join(target, 'DEBIAN/conffiles'), `${recipe.conffiles.join('\n')}\n`)
}

/** Modes and times that no umask and no clock changes. */
function settle(target: string, epoch: number): void {
  for (const path of [...entries(target), target]) {
    const stat = lstatSync(path)
    if (!stat.isSymbolicLink()) {
      const script = path.startsWith(join(target, 'DEBIAN/')) && !/\/(control|md5sums|conffiles)$/.test(path)
      const runs = stat.isDirectory() || script || (/\/(s?bin)\//.test(path) && (stat.mode & 0o100) !== 0)
      chmodSync(path, runs ? 0o755 : 0o644)
    }
    lutimesSync(path, epoch, epoch)
  }
}

/** Whose updates the host takes: the public key and the usual address, given to the build. Without a key there are none. */
function pinUpdates(target: string): void {
  const key = process.env['FREEHOLD_UPDATE_KEY']
  const address = process.env['FREEHOLD_UPDATE_REPOSITORY']
  if (key === undefined && address !== undefined)
    throw new Error('FREEHOLD_UPDATE_REPOSITORY without FREEHOLD_UPDATE_KEY: nothing would be trusted')
  if (key === undefined) return
  const folder = join(target, 'usr/share/freehold/update')
  mkdirSync(folder, { recursive: true })
  cpSync(key, join(folder, 'key.asc'))
  if (address !== undefined) writeFileSync(join(folder, 'repository'), `${address}\n`)
}

/** Builds one package; answers its path. */
function build(name: string, out: string, pages: string | undefined): string {
  const recipe = readRecipe(root, name)
  const git = (...args: string[]): string => execFileSync('git', ['-C', root, ...args], { encoding: 'utf8' }).trim()
  const epoch = Number(process.env['SOURCE_DATE_EPOCH'] ?? git('log', '-1', '--format=%ct'))
  const { version: base } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  // later commits are later versions, so that an update is one for apt
  const version = process.env['FREEHOLD_VERSION'] ?? `${base}+${git('rev-list', '--count', 'HEAD')}`
  const work = mkdtempSync(join(process.env['FREEHOLD_DEB_WORK'] ?? tmpdir(), 'freehold-deb-'))
  try {
    const target = join(work, 'root')
    mkdirSync(target)
    stage(recipe, target, pages)
    if (name === 'freehold') pinUpdates(target)
    dropEmpty(target)
    control(recipe, target, version, epoch)
    settle(target, epoch)
    mkdirSync(out, { recursive: true })
    const file = join(out, `${name}.deb`)
    // there whole or not at all: a build that is killed would be taken from the cache by every later one
    const draft = `${file}.new`
    execFileSync('dpkg-deb', ['--root-owner-group', '-Zxz', '-z1', '--threads-max=2', '--build', target, draft], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
    })
    renameSync(draft, file)
    return file
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

const { values, positionals } = parseArgs({
  options: { out: { type: 'string' }, pages: { type: 'string' } },
  allowPositionals: true,
})
if (values.out === undefined || positionals.length === 0) {
  process.stderr.write('Usage: node scripts/deb/build.ts --out DIR [--pages DIR] NAME...\n')
  process.exit(2)
}
for (const name of positionals) process.stdout.write(`${build(name, resolve(values.out), values.pages)}\n`)
