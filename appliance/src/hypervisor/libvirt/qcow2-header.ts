import { open } from 'node:fs/promises'
import { AppError } from '../../errors/app-error.ts'

/** What the header of a qcow2 image tells. Sizes in bytes. */
export interface Qcow2Header {
  virtualSizeBytes: number
  /** Path of the image that this one is laid over, as written in it. */
  backingFile: string | undefined
  /** Its data lie in another file (incompatible feature bit 2). */
  externalData: boolean
}

const magic = Buffer.from('QFI\xfb', 'latin1')
const externalDataBit = 2n

/**
 * Reads the header, also of an image that a running VM has locked. Throws `template-damaged` for a file that is no qcow2.
 * Source: QEMU docs/interop/qcow2.txt, "Header".
 */
export async function readQcow2Header(path: string): Promise<Qcow2Header> {
  const file = await open(path, 'r')
  try {
    const header = Buffer.alloc(104)
    await file.read(header, 0, header.length, 0)
    if (!header.subarray(0, 4).equals(magic)) {
      throw new AppError({ code: 'template-damaged', detail: 'The image is not in the format qcow2.' })
    }
    const [version, nameAt, nameLength] = [header.readUInt32BE(4), header.readBigUInt64BE(8), header.readUInt32BE(16)]
    const name = Buffer.alloc(Math.min(nameLength, 1023))
    if (nameAt > 0n) await file.read(name, 0, name.length, Number(nameAt))
    return {
      virtualSizeBytes: Number(header.readBigUInt64BE(24)),
      backingFile: nameAt > 0n ? name.toString('utf8') : undefined,
      externalData: version >= 3 && (header.readBigUInt64BE(72) & (1n << externalDataBit)) !== 0n,
    }
  } finally {
    await file.close()
  }
}
