// Writes what the appliance imports: ABI and creation code of the built contracts. With --check it compares instead.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const here = import.meta.dirname
const artifacts = { 'subscriptions-artifact.json': 'Subscriptions.sol/Subscriptions.json', 'dev-token-artifact.json': 'DevToken.sol/DevToken.json' }

for (const [file, built] of Object.entries(artifacts)) {
  const { abi, bytecode } = JSON.parse(readFileSync(join(here, '../out', built), 'utf8')) as { abi: unknown; bytecode: { object: string } }
  const text = `${JSON.stringify({ abi, bytecode: bytecode.object })}\n`
  const path = join(here, file)
  if (!process.argv.includes('--check')) writeFileSync(path, text)
  else if (readFileSync(path, 'utf8') !== text) {
    process.stderr.write(`${file} is not what the sources give: run npm -w contracts run artifact\n`)
    process.exitCode = 1
  }
}
