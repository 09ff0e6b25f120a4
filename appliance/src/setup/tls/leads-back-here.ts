import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Whether a name leads to this host's own port 80: something only this host knows is laid down there and asked for by the name,
 * as the authority will. False says only that this machine did not find itself; its router may not lead it back.
 */
export async function leadsBackHere(challenges: string, name: string, signal: AbortSignal): Promise<boolean> {
  const [token, word] = [`look-${randomBytes(12).toString('hex')}`, randomBytes(16).toString('hex')]
  const file = join(challenges, token)
  await mkdir(challenges, { recursive: true, mode: 0o750 })
  await writeFile(file, word, { mode: 0o640 })
  try {
    const answer = await fetch(`http://${name}/.well-known/acme-challenge/${token}`, {
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
    })
    return (await answer.text()).slice(0, 100).trim() === word
  } catch {
    return false
  } finally {
    await rm(file, { force: true })
  }
}
