// A broker as a process of its own over the fake data path, for tests that kill it. Prints a line of JSON for each apply.
import { readFile } from 'node:fs/promises'
import { FakeDataPath } from './fake/fake-data-path.ts'
import { parseBrokerConfig } from './config.ts'
import { serveBroker } from './serve.ts'
import type { Lease } from './types.ts'

class PrintingDataPath extends FakeDataPath {
  override async apply(state: readonly Lease[]): Promise<number> {
    const changes = await super.apply(state)
    process.stdout.write(`${JSON.stringify({ applied: state.map((lease) => lease.prefix) })}\n`)
    return changes
  }
}

const [file = ''] = process.argv.slice(2)
const quiet = {
  info: () => undefined,
  error: (fields: object, text: string) => process.stderr.write(`${text} ${JSON.stringify(fields)}\n`),
}
await serveBroker({
  config: parseBrokerConfig(await readFile(file, 'utf8'), file),
  makeDataPath: () => new PrintingDataPath(),
  log: quiet,
  chainMs: 200,
})
process.stdout.write(`${JSON.stringify({ serving: true })}\n`)
