import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { AppError } from '../../errors/app-error.ts'
import type { VerbOptions } from '../port.ts'
import type { FakeTemplate } from './fake-world.ts'
import { damagedTemplate, madeUpTemplate } from './sentinels.ts'

/**
 * Reads an image as an import does: hashes its content and compares. `fake:…` is made up, so that pages and daemon can be
 * developed without an image. Throws `template-missing`, `template-damaged`; rejects with the reason of an abort.
 */
export async function readTemplate(image: { path: string; sha256: string }, options: VerbOptions): Promise<FakeTemplate> {
  const damaged = () =>
    new AppError({ code: 'template-damaged', detail: `The content of the image is not ${image.sha256.slice(0, 12)}….` })
  if (basename(image.path).includes(damagedTemplate)) throw damaged()
  const virtualSizeBytes = 2 ** 30
  if (image.path.startsWith(madeUpTemplate)) return { sha256: image.sha256, sizeBytes: 2 ** 27, virtualSizeBytes }
  const hash = createHash('sha256')
  let sizeBytes = 0
  options.progress?.('copying')
  try {
    await pipeline(
      createReadStream(image.path),
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) {
          hash.update(chunk)
          sizeBytes += chunk.length
        }
      },
      { ...(options.signal !== undefined && { signal: options.signal }) },
    )
  } catch (cause) {
    options.signal?.throwIfAborted()
    throw new AppError({ code: 'template-missing', detail: 'The image to import is not there.', cause })
  }
  if (hash.digest('hex') !== image.sha256) throw damaged()
  return { sha256: image.sha256, sizeBytes, virtualSizeBytes }
}
