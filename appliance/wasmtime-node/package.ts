// Makes the package that npm can publish: JavaScript and types, the addon of this machine, the sources it is built from elsewhere,
// and the licences of what is linked into it. In the folder given (default: a new one). Usage: node package.ts [FOLDER]
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const here = import.meta.dirname
const folder = process.argv[2] === undefined ? mkdtempSync(join(tmpdir(), 'wasmtime-node-')) : resolve(process.argv[2])
const config = join(folder, 'tsconfig.json')
writeFileSync(
  config,
  JSON.stringify({
    extends: join(here, '../../tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      rootDir: join(here, 'src'),
      outDir: join(folder, 'dist'),
      target: 'es2023',
      typeRoots: [join(here, '../../node_modules/@types')],
    },
    include: [join(here, 'src/**/*.ts')],
    // what only tests use: they need libraries that whoever installs this does not
    exclude: ['*.test.ts', 'wat.ts', 'binary-module.ts'].map((name) => join(here, 'src', name)),
  }),
)
execFileSync(join(here, '../../node_modules/.bin/tsc'), ['-p', config], { stdio: 'inherit' })

interface Manifest {
  name: string
  version: string
  description: string
  license: string
  type: string
}
const { name, version, description, license, type } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8')) as Manifest
const manifest = {
  name,
  version,
  description,
  license,
  type,
  engines: { node: '>=22' },
  os: ['linux'],
  exports: { './*': { types: './dist/*.d.ts', default: './dist/*.js' } },
  bin: { 'wasmtime-node-build': './dist/build-addon.js' },
  files: ['dist', 'build', 'native', 'THIRD-PARTY.md'],
}
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
cpSync(join(here, 'README.md'), join(folder, 'README.md'))
cpSync(join(here, '../../LICENSE'), join(folder, 'LICENSE'))
cpSync(join(here, 'build'), join(folder, 'build'), { recursive: true })
for (const part of ['Cargo.toml', 'Cargo.lock', 'build.rs', 'rustfmt.toml', 'src']) {
  cpSync(join(here, 'native', part), join(folder, 'native', part), { recursive: true })
}
writeFileSync(join(folder, 'THIRD-PARTY.md'), thirdParty())
const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: folder, encoding: 'utf8' })
const [first] = JSON.parse(packed) as { filename: string }[]
process.stdout.write(`${join(folder, first?.filename ?? '')}\n`)

/** Crates that the addon is made of, with the licence each names. */
function thirdParty(): string {
  const options = { cwd: join(here, 'native'), encoding: 'utf8', maxBuffer: 2 ** 28 } as const
  const { packages } = JSON.parse(execFileSync('cargo', ['metadata', '--locked', '--format-version', '1'], options)) as {
    packages: { name: string; version: string; license: string | null; repository: string | null }[]
  }
  const lines = packages
    .filter((crate) => crate.name !== name)
    .map((crate) => `| ${crate.name} | ${crate.version} | ${crate.license ?? 'see there'} | ${crate.repository ?? ''} |`)
  const head = '# What the addon is built from\n\nCrates of the registry, with the licence that each names.\n\n'
  return `${head}| crate | version | licence | source |\n|---|---|---|---|\n${lines.toSorted().join('\n')}\n`
}
