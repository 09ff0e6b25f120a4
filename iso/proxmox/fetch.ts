/** A keyring is some kilobytes. */
const mostBytes = 2 ** 20

/** Brings a small file whole, within 30 s. No redirect is followed. Throws Error where it does not come, or is larger than 1 MiB. */
export async function fetchWhole(url: string): Promise<Uint8Array> {
  const reply = await fetch(url, { signal: AbortSignal.timeout(30_000), redirect: 'error' }).catch((error: unknown) => {
    // the reason stands below a general word
    throw error instanceof Error && error.cause instanceof Error ? error.cause : error
  })
  if (!reply.ok || reply.body === null) throw new Error(`HTTP ${reply.status}`)
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of reply.body) {
    bytes += part.length
    if (bytes > mostBytes) throw new Error('larger than 1 MiB')
    parts.push(part)
  }
  return Buffer.concat(parts)
}
