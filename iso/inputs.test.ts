import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { inputFiles } from './inputs.ts'

const root = resolve(import.meta.dirname, '..')

test('each script that builds a part of the image is in one of the hashes, and whatever such a script calls', () => {
  const waiting = ['scripts/build-iso.sh', 'scripts/npm-package.ts']
  const needed = new Set<string>()
  for (let script = waiting.pop(); script !== undefined; script = waiting.pop()) {
    if (needed.has(script)) continue
    needed.add(script)
    for (const [, called = ''] of readFileSync(join(root, script), 'utf8').matchAll(/(scripts\/build-[\w-]+\.sh)/g))
      if (existsSync(join(root, called))) waiting.push(called)
  }
  const { image, packages } = inputFiles()
  assert.deepEqual(
    [...needed].filter((script) => !image.includes(script) && !packages.includes(script)),
    [],
  )
  for (const script of ['wizard', 'pam-web3', 'wasmtime-node', 'deb', 'template'])
    assert.ok(needed.has(`scripts/build-${script}.sh`), `${script}: no script calls it any more`)
})

test('no file is in both hashes', () => {
  const { image, packages } = inputFiles()
  assert.deepEqual(
    packages.filter((file) => image.includes(file)),
    [],
  )
})
