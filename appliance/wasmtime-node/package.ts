// Makes the package that npm can publish: JavaScript and types, the addon of this machine, the sources it is built from elsewhere,
// and the licences of what is linked into it. Usage: node package.ts [FOLDER]
import { execFileSync } from 'node:child_process'
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeNpmPackage } from '../../scripts/npm-package.ts'

const here = import.meta.dirname
makeNpmPackage({
  here,
  target: 'es2023',
  // what only tests use: they need libraries that whoever installs this does not
  leaveOut: ['wat.ts', 'binary-module.ts'],
  manifest: {
    engines: { node: '>=22' },
    os: ['linux'],
    bin: { 'wasmtime-node-build': './dist/build-addon.js' },
    files: ['dist', 'build', 'native', 'THIRD-PARTY.md'],
  },
  add(folder) {
    cpSync(join(here, 'build'), join(folder, 'build'), { recursive: true })
    for (const part of ['Cargo.toml', 'Cargo.lock', 'build.rs', 'rustfmt.toml', 'src']) {
      cpSync(join(here, 'native', part), join(folder, 'native', part), { recursive: true })
    }
    writeFileSync(join(folder, 'THIRD-PARTY.md'), thirdParty())
  },
})

/** Crates that the addon is made of, with the licence each names. */
function thirdParty(): string {
  const options = { cwd: join(here, 'native'), encoding: 'utf8', maxBuffer: 2 ** 28 } as const
  const { packages } = JSON.parse(execFileSync('cargo', ['metadata', '--locked', '--format-version', '1'], options)) as {
    packages: { name: string; version: string; license: string | null; repository: string | null }[]
  }
  const lines = packages
    .filter((crate) => crate.name !== 'wasmtime-node')
    .map((crate) => `| ${crate.name} | ${crate.version} | ${crate.license ?? 'see there'} | ${crate.repository ?? ''} |`)
  const head = '# What the addon is built from\n\nCrates of the registry, with the licence that each names.\n\n'
  return `${head}| crate | version | licence | source |\n|---|---|---|---|\n${lines.toSorted().join('\n')}\n`
}
