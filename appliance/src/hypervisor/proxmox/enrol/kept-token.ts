import { open, readFile, rename } from 'node:fs/promises'
import { z } from 'zod'
import { AppError } from '../../../errors/app-error.ts'
import { firewallOptions } from '../answers.ts'
import type { PveClient } from '../client.ts'
import type { ApiToken } from '../open-client.ts'
import { PveError } from '../pve-error.ts'

// The token may not look at the datacenter firewall: that would take a right on `/`. So what enrolment saw stands beside it.
const record = z.object({
  version: z.literal(1),
  token: z.string(),
  firewall: z.boolean(),
  /** Zone of the bridge: a token that lost its right there could not ask for it. */
  zone: z.string().default('localnetwork'),
})

const recordOf = (tokenFile: string) => `${tokenFile}.enrolled`

/** Writes the secret for its owner alone, and beside it what enrolment saw: the firewall on, the zone of the bridge. Each is there whole or not at all. */
export async function keepToken(tokenFile: string, token: ApiToken, zone: string): Promise<void> {
  await writeWhole(tokenFile, `${token.secret}\n`)
  await writeWhole(recordOf(tokenFile), `${JSON.stringify({ version: 1, token: token.id, firewall: true, zone })}\n`)
}

/** What the enrolment of this very token saw; nothing where nothing is known. */
export async function seenAtEnrolment(
  tokenFile: string,
  tokenId: string,
): Promise<{ firewall: boolean; zone: string | undefined }> {
  try {
    const { token, firewall, zone } = record.parse(JSON.parse(await readFile(recordOf(tokenFile), 'utf8')))
    return token === tokenId ? { firewall, zone } : { firewall: false, zone: undefined }
  } catch {
    return { firewall: false, zone: undefined }
  }
}

/** Asks the server where the token may, else what enrolment saw counts. Throws `firewall-off`, PveError. */
export async function requireFirewall(client: PveClient, tokenFile: string, tokenId: string): Promise<void> {
  let seen: boolean | undefined
  try {
    seen = (await client.get('/cluster/firewall/options', firewallOptions)).enable === true
  } catch (error) {
    if (!(error instanceof PveError) || error.kind !== 'forbidden') throw error
  }
  if (seen ?? (await seenAtEnrolment(tokenFile, tokenId)).firewall) return
  const detail =
    seen === false
      ? 'The datacenter firewall of Proxmox is off: VMs would reach each other and speak under foreign addresses.'
      : 'Whether the datacenter firewall of Proxmox is on is not known: this token was not made by an enrolment of this host, and may not look.'
  throw new AppError({ code: 'firewall-off', detail })
}

async function writeWhole(path: string, text: string): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.chmod(0o600)
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}
