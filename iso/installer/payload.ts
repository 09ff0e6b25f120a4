import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InstallFault } from './fault.ts'
import { sha256Of } from './tools.ts'

/** One line of a file of checksums. */
export interface Sum {
  sha256: string
  file: string
}

/** Files of the medium whose sums the build signed. */
export const sumsFile = 'freehold/SHA256SUMS'
export const signatureFile = 'freehold/SHA256SUMS.sig'

const damaged = (wrong: string, seen: string[], cause?: unknown): InstallFault =>
  new InstallFault('medium-damaged', {
    wrong,
    seen,
    remedy: 'Download the image again, compare its checksum, write it to another stick. Nothing was written to any disk.',
    cause,
  })

/** The sums, if the build's key signed them (Ed25519). */
export function readSums(text: string, signature: Uint8Array, key: KeyObject): Sum[] {
  if (!verify(null, Buffer.from(text), key, signature)) {
    throw damaged('This medium is damaged or was changed: its list of checksums does not bear the signature of its build.', [
      sumsFile,
    ])
  }
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => ({ sha256: line.slice(0, 64), file: line.slice(66) }))
}

/**
 * Holds every file of the medium that is installed against the signed sums. Throws `medium-damaged` naming the file. A list
 * without the system itself proves nothing and is refused.
 */
export async function verifyPayload(medium: string, keyFile: string, report: (file: string) => void): Promise<void> {
  const read = (file: string) =>
    readFile(join(medium, file)).catch((cause: unknown) => {
      throw damaged('This medium is damaged: a file cannot be read.', [file, String(cause)], cause)
    })
  const [text, signature, key] = [await read(sumsFile), await read(signatureFile), await readFile(keyFile)]
  const sums = readSums(text.toString(), signature, createPublicKey(key))
  if (!sums.some(({ file }) => file.endsWith('filesystem.squashfs'))) {
    throw damaged('This medium is damaged: its list of checksums does not name the system.', [sumsFile])
  }
  for (const { file, sha256 } of sums) {
    report(file)
    const found = await sha256Of(join(medium, file)).catch((cause: unknown) => {
      throw damaged('This medium is damaged: a file cannot be read to its end.', [file, String(cause)], cause)
    })
    if (found !== sha256) {
      throw damaged('This medium is damaged: a file is not what the build wrote.', [
        file,
        `expected ${sha256}`,
        `found    ${found}`,
      ])
    }
  }
}
