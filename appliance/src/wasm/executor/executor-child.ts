// An executor: a forked process that holds the engine and nothing else. It has no environment, opens no file and no socket; its
// parent sends machine code that it has checked, and calls. It ends when its parent does.
import { Engine, type Module } from 'wasmtime-node/engine'
import { WasmError } from 'wasmtime-node/errors'
import type { EngineOptions, FromExecutor, ToExecutor } from './messages.ts'

// each holds a file, and the sandbox allows 256 of them
const maxModules = 128
const engine = new Engine(JSON.parse(process.argv[2] ?? '{}') as EngineOptions)
const modules = new Map<string, Module>()
const running = new Map<number, AbortController>()

function say(message: FromExecutor): void {
  process.send?.(message)
}

/** The module of a program, most recently used last. */
function moduleOf(program: string, artifact: Uint8Array | undefined): Module | undefined {
  const found = modules.get(program) ?? (artifact === undefined ? undefined : engine.load(artifact))
  if (found === undefined) return undefined
  modules.delete(program)
  modules.set(program, found)
  const [oldest] = modules.keys()
  if (modules.size > maxModules && oldest !== undefined) {
    // at once: each holds a file, and the collector sees only a few bytes of it
    modules.get(oldest)?.close()
    modules.delete(oldest)
  }
  return found
}

async function run({ id, call, artifact }: Extract<ToExecutor, { kind: 'run' }>): Promise<void> {
  const abort = new AbortController()
  running.set(id, abort)
  try {
    const module = moduleOf(call.program, artifact)
    if (module === undefined) return say({ kind: 'missing', id })
    const { gasLimit, milliseconds, maxMemoryBytes, region } = call
    const options = { gasLimit, milliseconds, maxMemoryBytes, region, signal: abort.signal }
    say({ kind: 'done', id, outcome: await module.run(call.functionName, call.values, options) })
  } catch (error) {
    const known = error instanceof WasmError
    say({ kind: 'refused', id, code: known ? error.code : 'failed', message: known ? error.message : 'the executor failed' })
  } finally {
    running.delete(id)
  }
}

process.on('message', (message: ToExecutor) => {
  if (message.kind === 'cancel') running.get(message.id)?.abort()
  else void run(message)
})
process.on('disconnect', () => process.exit(0))
// a stop is the parent's to order: it closes the channel
process.on('SIGINT', () => {})
say({ kind: 'ready', compatibility: engine.compatibility })
