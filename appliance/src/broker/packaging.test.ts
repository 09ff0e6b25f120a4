import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { access, readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { it } from 'node:test'

const root = join(import.meta.dirname, '../../..')
const packaging = join(root, 'packaging/freehold-broker')
const rows = (file: string): string[][] =>
  readFileSync(join(packaging, file), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(/\s+/))

it('every file that the package names is there, and every script is one', async () => {
  for (const [source = ''] of rows('install')) await access(join(root, source))
  for (const script of ['postinst', 'postrm']) execFileSync('sh', ['-n', join(packaging, script)])
})

it('the package holds every file and every npm package that the broker imports', async () => {
  const installed = rows('install').map(([source = '']) => join(root, source))
  const packages = new Set(rows('npm-packages').map(([name]) => name))
  const seen = new Set<string>()
  const wanted = [join(import.meta.dirname, 'cli/main.ts')]
  for (let file = wanted.pop(); file !== undefined; file = wanted.pop()) {
    if (seen.has(file)) continue
    seen.add(file)
    assert.ok(
      installed.some((one) => file === one || file?.startsWith(`${one}/`)),
      `${file} is imported and not in the package`,
    )
    const text = await readFile(file, 'utf8')
    // types alone are not loaded
    for (const [, kind, target = ''] of text.matchAll(/^(?:import|export) (type )?[^'"]*from '([^']+)'/gm)) {
      if (kind !== undefined) continue
      if (target.startsWith('.')) wanted.push(resolve(dirname(file), target))
      else if (target.startsWith('wireguard-ts/')) wanted.push(join(root, 'appliance/wireguard-ts/src', `${target.slice(13)}.ts`))
      else if (target.startsWith('@freehold/contracts/')) wanted.push(join(root, 'contracts/deploy', `${target.slice(20)}.ts`))
      else if (target.startsWith('@freehold/appliance/')) wanted.push(join(root, 'appliance/src', `${target.slice(20)}.ts`))
      else if (!target.startsWith('node:')) {
        const name = target
          .split('/')
          .slice(0, target.startsWith('@') ? 2 : 1)
          .join('/')
        assert.ok(packages.has(name), `${file} imports ${name}, which is not in the package`)
      }
    }
  }
  assert.ok(seen.size > 40)
  assert.deepEqual(globSync('**/*.ts', { cwd: join(import.meta.dirname, 'datapath') }).length > 0, true)
})
