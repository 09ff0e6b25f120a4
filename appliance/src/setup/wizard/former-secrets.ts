import { access } from 'node:fs/promises'
import { join } from 'node:path'

/** What guests hold this host by, below the folder of secrets. Source: sign-in/secrets.ts. */
const known = ['sign-in/master', 'sign-in/statement-key.pem', 'sign-in/login-endpoint.pem', 'sign-in/user-ca'] as const

/** Files that a host which comes back should have and that are not here. Reads names alone. */
export async function missingSecrets(stateFolder: string): Promise<string[]> {
  const there = await Promise.all(
    known.map((name) =>
      access(join(stateFolder, 'secrets', name)).then(
        () => true,
        () => false,
      ),
    ),
  )
  return known.filter((_, i) => there[i] !== true).map((name) => join(stateFolder, 'secrets', name))
}
