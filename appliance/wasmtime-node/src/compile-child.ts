// A compiler in a process of its own: reads modules from standard input, writes an artifact for each to standard output, and is
// killed if one takes too long or too much. A module is its length (4 bytes, little-endian) and its bytes; an answer is a word
// (0: artifact, 1: our fault, 3: the module is to blame), its length and its bytes; 2 says once that it takes modules. It ends
// with its standard input.
import { writeSync } from 'node:fs'
import { Engine, type EngineOptions } from './engine.ts'
import { WasmError } from './errors.ts'

const options = JSON.parse(process.argv[2] ?? '{}') as EngineOptions
const compiler = new Engine({ ...options, slots: 0, threads: 0 })

function answer(word: number, bytes: Uint8Array): void {
  const head = Buffer.alloc(5)
  head.writeUInt8(word)
  head.writeUInt32LE(bytes.length, 1)
  for (const part of [head, bytes]) for (let at = 0; at < part.length;) at += writeSome(part, at)
}

/** The pipe may be full: its reader is another process, and this one has nothing else to do. */
function writeSome(bytes: Uint8Array, at: number): number {
  try {
    return writeSync(1, bytes, at)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    return 0
  }
}

function compile(wasm: Uint8Array): void {
  try {
    answer(0, compiler.compile(wasm))
  } catch (error) {
    const ours = !(error instanceof WasmError && error.code === 'compilation-failed')
    answer(ours ? 1 : 3, Buffer.from(error instanceof WasmError ? error.message : 'the compiler failed'))
  }
}

answer(2, Buffer.alloc(0))
let chunks: Buffer[] = []
let held = 0
for await (const chunk of process.stdin) {
  chunks.push(chunk as Buffer)
  held += (chunk as Buffer).length
  for (;;) {
    if (held < 4) break
    const whole: Buffer = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
    chunks = [whole]
    const length = whole.readUInt32LE()
    if (held < 4 + length) break
    compile(whole.subarray(4, 4 + length))
    chunks = [whole.subarray(4 + length)]
    held -= 4 + length
  }
}
