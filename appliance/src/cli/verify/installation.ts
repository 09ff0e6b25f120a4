import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import { createClient, type ApiClient } from '../client.ts'
import { check, Finding, type Check } from './check.ts'
import { fileChecks } from './files.ts'
import { reachChecks } from './reach.ts'

/** All checks of an installation whose state folder belongs to user `uid`. Reads and asks; changes nothing, throws nothing. */
export async function verifyInstallation(stateFolder: string, uid: number, admin: ApiClient): Promise<Check[]> {
  let config: Config | undefined
  const configuration = await check('configuration', async () => {
    const text = await readFile(join(stateFolder, 'freehold.yaml'), 'utf8').catch(() => {
      throw new Finding('this host is not set up', 'freehold apply FILE')
    })
    config = parseConfig(text, 'freehold.yaml')
    return 'freehold.yaml is valid'
  })
  const files = await fileChecks(stateFolder, uid)
  if (config === undefined) return [configuration, ...files]
  const origin = createClient({ url: config.origin })
  return [configuration, ...files, ...(await reachChecks(stateFolder, config, { admin, origin }))]
}
