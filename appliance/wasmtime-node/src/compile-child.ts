// The child of `compileInChild`: reads a module from standard input, writes its artifact to standard output, and is killed if it
// takes too long or too much. Its words for a refusal go to standard error; exit code 3 says that the module is to blame.
import { Engine, type EngineOptions } from './engine.ts'
import { WasmError } from './errors.ts'

const options = JSON.parse(process.argv[2] ?? '{}') as EngineOptions
const chunks: Buffer[] = []
for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
try {
  const artifact = new Engine({ ...options, slots: 0, threads: 0 }).compile(Buffer.concat(chunks))
  process.stdout.write(artifact)
} catch (error) {
  process.stderr.write(error instanceof WasmError ? error.message : 'the compiler failed')
  process.exitCode = error instanceof WasmError && error.code === 'compilation-failed' ? 3 : 1
}
