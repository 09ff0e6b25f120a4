#!/usr/bin/env node
// Builds the addon from the sources in the package, where no prebuilt one fits: cargo, a C linker, two to seven minutes.
// CARGO_TARGET_DIR names another place for what the compiler leaves behind.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const native = join(root, 'native')
const target = process.env['CARGO_TARGET_DIR'] ?? join(native, 'target')
const machine = `${process.platform}-${process.arch}`
execFileSync('cargo', ['build', '--release', '--locked'], {
  cwd: native,
  stdio: 'inherit',
  env: { ...process.env, CARGO_TARGET_DIR: target },
})
mkdirSync(join(root, 'build'), { recursive: true })
for (const [made, name] of [
  ['libwasmtime_node.so', `wasmtime-node.${machine}.node`],
  ['confine', `confine.${machine}`],
] as const) {
  // a process may have the former one loaded: never write into it
  copyFileSync(join(target, 'release', made), join(root, 'build', '.part'))
  renameSync(join(root, 'build', '.part'), join(root, 'build', name))
}
