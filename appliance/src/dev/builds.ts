import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { AppError } from '../errors/app-error.ts'

/** The checkout this file stands in. */
export const checkout = resolve(import.meta.dirname, '../../..')

/**
 * Runs a build script of the checkout and returns what it printed on stdout. Its progress (stderr) goes to `onLine`.
 * Throws `process-failed` with the last lines. Aborting ends it.
 */
export function runBuild(
  script: string,
  args: readonly string[],
  onLine: (line: string) => void,
  signal?: AbortSignal,
): Promise<string> {
  const { promise, resolve: done, reject } = Promise.withResolvers<string>()
  const child = spawn(resolve(checkout, 'scripts', script), args, {
    cwd: checkout,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal && { signal }),
  })
  let stdout = ''
  let tail: string[] = []
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => {
    const lines = chunk
      .toString()
      .split(/[\r\n]+/)
      .filter((line) => line.trim() !== '')
    tail = [...tail, ...lines].slice(-8)
    for (const line of lines) onLine(line)
  })
  child.on('error', (cause) => reject(new AppError({ code: 'process-failed', detail: `${script} could not be run.`, cause })))
  child.on('close', (code) => {
    if (code === 0) done(stdout.trim())
    else
      reject(
        new AppError({
          code: 'process-failed',
          detail: `${script} failed: ${tail.slice(-3).join(' · ')}`,
          hint: `Run scripts/${script} to see all of it.`,
        }),
      )
  })
  return promise
}

/** The guest image; built once per recipe, then taken from the cache. */
export async function buildTemplate(
  onLine: (line: string) => void,
  signal?: AbortSignal,
): Promise<{ path: string; sha256: string }> {
  const { image, sha256 } = JSON.parse(await runBuild('build-template.sh', ['--json'], onLine, signal)) as {
    image: string
    sha256: string
  }
  return { path: image, sha256 }
}

/** The pages as a standalone server; returns the folder that holds `wizard/server.js`: that in `FREEHOLD_PAGES` if it is set. */
export async function buildPages(onLine: (line: string) => void): Promise<string> {
  const built = process.env['FREEHOLD_PAGES']
  if (built !== undefined && built !== '') return built
  return await runBuild('build-wizard.sh', [], onLine)
}

/** The engine of WASM hosting, from the crates registry; built once, then taken from the cache. */
export async function buildWasmEngine(onLine: (line: string) => void): Promise<void> {
  await runBuild('build-wasmtime-node.sh', [], onLine)
}
