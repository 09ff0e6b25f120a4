import { testChainId, testContract, testInstallation } from '../../appliance/src/sign-in/test-stand.ts'
import type { Secrets } from '../../appliance/src/sign-in/secrets.ts'
import { vmSecret } from '../../appliance/src/vms/guest-secrets.ts'
import type { GuestFacts, Stand } from './stand.ts'

/** What the guest of the tests' one VM keeps in `/etc/freehold` after its report. */
export interface GuestFiles {
  facts: GuestFacts
  secret: string
}

/** Those files for a login endpoint with these secrets, at this port of the loopback. */
export function guestFiles(secrets: Secrets, port: number, generation = 1): GuestFiles {
  return {
    facts: {
      endpoint: `127.0.0.1:${port}`,
      spkiSha256: secrets.spkiSha256,
      statementKey: secrets.statementKeyRaw,
      chainId: testChainId,
      contract: testContract,
      tokenId: '42',
      generation,
    },
    secret: vmSecret(secrets.master, `freehold:${testInstallation}/42/${generation}`),
  }
}

/** Writes them where the stand's guest reads them. */
export async function seedFacts(stand: Stand, secrets: Secrets, port: number, generation = 1): Promise<void> {
  const { facts, secret } = guestFiles(secrets, port, generation)
  await stand.setFacts(facts, secret)
}
