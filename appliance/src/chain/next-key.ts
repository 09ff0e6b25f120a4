import { link, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { loadOrCreateKey } from './provisioner-key.ts'
import type { Address } from './subscription.ts'

/** The key that takes the provisioner's place once the owner has named it on every contract. */
export interface NextKey {
  /** Its address, or null if none was made. Throws `config-unreadable`. */
  address(): Promise<Address | null>
  /** Makes it unless it is there. */
  make(): Promise<Address>
  /**
   * Puts it in the place of the key in use, which is kept beside under its address: what it still holds is not lost. May be
   * called again after a crash at any moment.
   */
  promote(): Promise<void>
}

/** The two keys in the folder of secrets: `provisioner.key` in use, `provisioner.next.key` waiting. */
export function nextKeyIn(folder: string): NextKey {
  const [inUse, next] = [join(folder, 'provisioner.key'), join(folder, 'provisioner.next.key')]
  const exists = (path: string) =>
    stat(path).then(
      () => true,
      () => false,
    )
  return {
    address: async () => ((await exists(next)) ? (await loadOrCreateKey(next)).address : null),
    make: async () => (await loadOrCreateKey(next)).address,
    async promote() {
      if (!(await exists(next))) return
      const { address } = await loadOrCreateKey(inUse)
      await link(inUse, join(folder, `provisioner-${address}.key`)).catch((error: unknown) => {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
      })
      // at no moment is there no key: a start then would make a third one
      await rename(next, inUse)
    },
  }
}
