import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises'

/** All defaults; the operator may write more into it. Source of the fields: `../wasm/wasm-config.ts`. */
export const wasmFileText = `# Configuration of freehold-wasmd. What does not stand here has its default; unknown fields are refused.
# Written by setup since the answers say wasm.enabled. Changes of yours are kept.
server:
  host: 127.0.0.1
  port: 8430
`

/**
 * The file whose presence switches WASM hosting on. One that is there is kept as it is; switched off, only what nobody has
 * changed is taken away: systemd then starts nothing at the next boot. It holds no secret, and its reader is another user.
 */
export async function setWasmFile(file: string, enabled: boolean): Promise<void> {
  const present = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (!enabled) return present === wasmFileText ? await rm(file, { force: true }) : undefined
  if (present !== undefined) return
  await writeFile(`${file}.new`, wasmFileText, { flush: true })
  await chmod(`${file}.new`, 0o644)
  await rename(`${file}.new`, file)
}
