import type { IncomingMessage } from 'node:http'

/**
 * Reads a multipart form as the server does: fields first, then the file in a part called `filename`, which is streamed to
 * `take`. Rejects where the body is cut.
 */
export async function readUpload(
  request: IncomingMessage,
  type: string,
  take: (chunk: Buffer) => Promise<void> | undefined,
): Promise<{ fields: Record<string, string>; name: string; sizeBytes: number; head: Buffer }> {
  const boundary = /boundary="?([^";]+)"?/.exec(type)?.[1] ?? ''
  const fields: Record<string, string> = {}
  let name = ''
  let sizeBytes = 0
  let head = Buffer.alloc(0)
  let rest = Buffer.alloc(0)
  let inFile = false
  const end = Buffer.from(`\r\n--${boundary}`)
  const put = async (chunk: Buffer) => {
    if (head.length < 512) head = Buffer.concat([head, chunk]).subarray(0, 512)
    sizeBytes += chunk.length
    await take(chunk)
  }
  for await (const chunk of request) {
    rest = Buffer.concat([rest, chunk as Buffer])
    for (;;) {
      if (inFile) {
        const at = rest.indexOf(end)
        const safe = at >= 0 ? at : Math.max(0, rest.length - end.length)
        if (safe > 0) await put(Buffer.from(rest.subarray(0, safe)))
        rest = rest.subarray(at >= 0 ? at + 2 : safe)
        if (at >= 0) inFile = false
        else break
      }
      const blank = rest.indexOf('\r\n\r\n')
      if (blank < 0) break
      const header = rest.subarray(0, blank).toString('latin1')
      const field = /name="([^"]+)"/.exec(header)?.[1] ?? ''
      const file = /filename="([^"]*)"/.exec(header)?.[1]
      if (field === 'filename' && file !== undefined) {
        name = file
        inFile = true
        // so that an empty file, too, is followed by its boundary
        rest = rest.subarray(blank + 2)
        if (rest.indexOf(end) === 0) inFile = false
        rest = rest.subarray(2)
        continue
      }
      const next = rest.indexOf(end, blank + 2)
      if (next < 0) break
      fields[field] = rest.subarray(blank + 4, next).toString('utf8')
      rest = rest.subarray(next + 2)
    }
  }
  if (!request.complete) throw new Error('the upload was cut')
  return { fields, name, sizeBytes, head }
}
