// Makes the package that npm can publish: JavaScript and types, for Node and for bundlers, in the folder given (default: a new one).
// Usage: node package.ts [FOLDER]
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const here = import.meta.dirname
const folder = process.argv[2] === undefined ? mkdtempSync(join(tmpdir(), 'wasm-client-')) : resolve(process.argv[2])
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
      target: 'es2022',
      typeRoots: [join(here, '../../node_modules/@types')],
    },
    include: [join(here, 'src/**/*.ts')],
    exclude: [join(here, 'src/**/*.test.ts')],
  }),
)
execFileSync(join(here, '../../node_modules/.bin/tsc'), ['-p', config], { stdio: 'inherit' })
const {
  private: _private,
  scripts: _scripts,
  ...manifest
} = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8')) as Record<string, unknown>
const exports = { './*': { types: './dist/*.d.ts', default: './dist/*.js' } }
const published = { ...manifest, engines: { node: '>=20' }, sideEffects: false, files: ['dist'], exports }
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(published, null, 2)}\n`)
cpSync(join(here, 'README.md'), join(folder, 'README.md'))
cpSync(join(here, '../../LICENSE'), join(folder, 'LICENSE'))
const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: folder, encoding: 'utf8' })
const [first] = JSON.parse(packed) as { filename: string }[]
process.stdout.write(`${join(folder, first?.filename ?? '')}\n`)
