// Makes the package that npm can publish out of a workspace: JavaScript and types, since Node runs TypeScript only outside
// node_modules. Called by `node package.ts [FOLDER]` of each workspace that is published.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'

export interface NpmPackageOptions {
  /** The workspace's folder. */
  here: string
  /** ECMAScript that the JavaScript is written in. */
  target: 'es2022' | 'es2023'
  /** Below `src`, beside the tests: what is not published. */
  leaveOut?: readonly string[]
  /** Fields of the published manifest, which are added to the workspace's own or stand in their place. */
  manifest: Record<string, unknown>
  /** Lays more into the folder, before it is packed. */
  add?(folder: string): void
}

const root = resolve(import.meta.dirname, '..')
/** Fields of the workspace that nobody outside needs. */
const inner = new Set(['private', 'devDependencies', 'scripts'])

/** Packs into the folder named on the command line (default: a new one) and prints the path of the package. */
export function makeNpmPackage({ here, target, leaveOut = [], manifest, add }: NpmPackageOptions): void {
  const folder = process.argv[2] === undefined ? mkdtempSync(join(tmpdir(), `${basename(here)}-`)) : resolve(process.argv[2])
  const config = join(folder, 'tsconfig.json')
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: {
        noEmit: false,
        declaration: true,
        rootDir: join(here, 'src'),
        outDir: join(folder, 'dist'),
        target,
        typeRoots: [join(root, 'node_modules/@types')],
      },
      include: [join(here, 'src/**/*.ts')],
      exclude: ['**/*.test.ts', ...leaveOut].map((name) => join(here, 'src', name)),
    }),
  )
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', config], { stdio: 'inherit' })
  const own = Object.entries(JSON.parse(readFileSync(join(here, 'package.json'), 'utf8')) as Record<string, unknown>)
  const published = {
    ...Object.fromEntries(own.filter(([field]) => !inner.has(field))),
    exports: { './*': { types: './dist/*.d.ts', default: './dist/*.js' } },
    files: ['dist'],
    ...manifest,
  }
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(published, null, 2)}\n`)
  cpSync(join(here, 'README.md'), join(folder, 'README.md'))
  cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'))
  add?.(folder)
  const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: folder, encoding: 'utf8' })
  const [first] = JSON.parse(packed) as { filename: string }[]
  process.stdout.write(`${join(folder, first?.filename ?? '')}\n`)
}
