// Holds the direction of imports (design §3): a folder of appliance/src may import only from folders of its own or a lower rank.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'

const root = resolve(import.meta.dirname, '../..')
const source = join(root, 'appliance/src')

/** From the top down. Folders in one row may import each other. */
const ranks: readonly (readonly string[])[] = [
  ['freeholdd.ts'],
  ['run-daemon.ts'],
  ['main.ts', 'product.ts'],
  ['api'],
  ['setup', 'sign-in', 'health', 'wasm', 'backup'],
  ['vms'],
  ['subscriptions', 'hypervisor', 'network', 'host', 'broker'],
  ['chain', 'store', 'steps', 'config'],
  ['generated'],
  ['errors', 'clock'],
]
const rankOf = new Map(ranks.flatMap((row, rank) => row.map((name) => [name, rank] as const)))
/** Not in the ladder: `cli` imports the schemas of the API and what is below; `dev` may import anything and nobody imports it. */
const cliMayImport = new Set(['cli', 'api', 'sign-in', 'chain', 'config', 'errors', 'clock', 'backup'])

function files(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((e) => e.isFile() && e.name.endsWith('.ts'))
    .map((e) => join(e.parentPath, e.name))
}

function isTest(path: string): boolean {
  return /\.(test|suite|e2e)\.ts$/.test(path) || path.includes('-suite.ts')
}

/** What is wrong with one import, or undefined. Both are paths below appliance/src. */
export function refusal(from: string, to: string): string | undefined {
  const [a = '', b = ''] = [from.split(sep)[0], to.split(sep)[0]]
  if (a === b || a === 'dev') return undefined
  if (b === 'dev') return 'nothing that is packaged imports dev/'
  if (a === 'cli') {
    // enrolment speaks to the Proxmox server before there is a daemon to ask
    if (to.startsWith(join('hypervisor', 'proxmox'))) return undefined
    if (b === 'api' && !to.startsWith(join('api', 'schemas'))) return 'the CLI imports the schemas of the API only'
    return cliMayImport.has(b) ? undefined : `the CLI does not import ${b}/`
  }
  const [high, low] = [rankOf.get(a), rankOf.get(b)]
  if (high === undefined || low === undefined) return `${high === undefined ? a : b} has no place in the order of folders`
  return high <= low ? undefined : `${a}/ stands below ${b}/`
}

const problems: string[] = []
for (const file of files(source)) {
  const from = relative(source, file)
  if (from.startsWith(`generated${sep}`) || isTest(file)) continue
  const text = readFileSync(file, 'utf8')
  for (const [, target = ''] of text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
    const to = relative(source, resolve(dirname(file), target))
    if (to.startsWith('..')) continue
    const why = refusal(from, to)
    if (why !== undefined) problems.push(`appliance/src/${from}: imports ${to}: ${why}`)
  }
  // pages import the schemas: nothing of node: may be there
  if (from.startsWith(join('api', 'schemas')) && /from 'node:/.test(text))
    problems.push(`appliance/src/${from}: imports node:, but pages import it`)
}
for (const problem of problems) process.stderr.write(`${problem}\n`)
if (problems.length > 0) process.exitCode = 1
