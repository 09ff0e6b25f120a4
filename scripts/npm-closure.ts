// Prints the npm packages named in a file and all that they need at run time, one a line, as folders below node_modules.
// Nested copies lie in the folder of their parent and come with it.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const modules = join(import.meta.dirname, '../node_modules')
const [file = ''] = process.argv.slice(2)
const waiting = readFileSync(file, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
const found = new Set<string>()
for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
  if (found.has(name)) continue
  const manifest = join(modules, name, 'package.json')
  if (!existsSync(manifest)) throw new Error(`node_modules/${name} is missing: run npm ci`)
  found.add(name)
  const { dependencies = {} } = JSON.parse(readFileSync(manifest, 'utf8')) as { dependencies?: Record<string, string> }
  // what lies nested below it is copied with it
  waiting.push(...Object.keys(dependencies).filter((one) => !existsSync(join(modules, name, 'node_modules', one))))
}
process.stdout.write(`${[...found].toSorted().join('\n')}\n`)
