import { CompilerProcess, type CompileOptions } from './compiler-process.ts'

export type { CompileOptions }

/**
 * Compiles in a process of its own: with a deadline and a limit of memory, without environment. Throws `compilation-failed` (the
 * module is to blame), `compilation-timeout` (also when it outgrew its memory: neither is a fault of the machine), `too-large`.
 */
export async function compileInChild(wasm: Uint8Array, options: CompileOptions = {}): Promise<Buffer> {
  const compiler = new CompilerProcess(options)
  try {
    return await compiler.compile(wasm)
  } finally {
    compiler.kill()
  }
}
