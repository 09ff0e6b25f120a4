import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../errors/app-error.ts'

/** Where the installable image puts the guest image, as SHA256.qcow2. */
const folderOfTemplates = '/usr/share/freehold/templates'

/** The guest image that came with the installation. Throws `template-missing` where none or more than one did. */
export async function shippedTemplate(folder = folderOfTemplates): Promise<{ path: string; sha256: string }> {
  const names = await readdir(folder).catch(() => [] as string[])
  const found = names.flatMap((name) => {
    const sha256 = /^([0-9a-f]{64})\.qcow2$/.exec(name)?.[1]
    return sha256 === undefined ? [] : [{ path: join(folder, name), sha256 }]
  })
  const [image] = found
  if (image !== undefined && found.length === 1) return image
  throw new AppError({
    code: 'template-missing',
    detail: `${found.length === 0 ? 'No guest image' : 'More than one guest image'} came with this installation (${folder}).`,
    hint: 'Set template.image and template.sha256.',
  })
}
