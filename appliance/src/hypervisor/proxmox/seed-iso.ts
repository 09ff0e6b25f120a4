import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { VmKey } from '../../chain/installation.ts'
import { runOrFail } from '../libvirt/run.ts'
import type { Seed } from '../port.ts'

/** Names of all seeds of a VM begin so; of one generation with `-g<generation>-` after it. */
export function seedPrefix(key: Pick<VmKey, 'installation' | 'tokenId'>): string {
  return `freehold-${key.installation}-${key.tokenId}-g`
}

/** An upload overwrites without a question, so the content stands in the name. */
export function seedName(key: VmKey, seed: Seed): string {
  const hash = createHash('sha256')
  for (const text of [seed.userData, seed.metaData, seed.networkConfig, seed.freeholdJson]) hash.update(`${text.length}:${text}`)
  return `${seedPrefix(key)}${key.generation}-${hash.digest('hex').slice(0, 12)}.iso`
}

/** The NoCloud seed as an ISO 9660 image with the label `cidata`. Throws `tool-missing`, `process-failed`. */
export async function makeSeedIso(seed: Seed, signal?: AbortSignal): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-seed-'))
  try {
    const files = {
      'user-data': seed.userData,
      'meta-data': seed.metaData,
      'network-config': seed.networkConfig,
      'freehold.json': seed.freeholdJson,
    }
    const paths: string[] = []
    for (const [name, text] of Object.entries(files)) {
      paths.push(join(folder, name))
      await writeFile(join(folder, name), text, { mode: 0o600, flag: 'wx' })
    }
    const iso = join(folder, 'seed.iso')
    const args = ['-as', 'genisoimage', '-quiet', '-V', 'cidata', '-J', '-r', '-o', iso, ...paths]
    await runOrFail('make the seed', 'xorriso', args, { ...(signal && { signal }) })
    return await readFile(iso)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
