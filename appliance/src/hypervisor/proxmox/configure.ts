import { markOf } from '../../chain/installation.ts'
import { AppError } from '../../errors/app-error.ts'
import { nothing } from './answers.ts'
import type { Params } from './http.ts'
import type { Inventory, OurVm } from './inventory.ts'
import { withPatience } from './patience.ts'
import { isStaleDigest, mayHaveHappened } from './pve-error.ts'
import type { PveServer } from './server.ts'

/** How often a configuration that somebody else writes to is read anew before the error is told. */
const rounds = 4
const pauseMs = 500

/**
 * Writes keys of a VM's configuration. It is read right before, must still be ours, and is written under the digest that was
 * read: whoever writes at the same time makes us look again, never overwrite. Throws PveError, `vm-foreign`.
 */
export async function configure(
  server: PveServer,
  inventory: Inventory,
  vm: OurVm,
  params: Params,
  signal?: AbortSignal,
): Promise<void> {
  const path = `/nodes/${vm.node}/qemu/${vm.vmid}/config`
  for (let round = 0; ; round++) {
    try {
      await withPatience(
        server.clock,
        server.pace,
        async () => {
          const now = await inventory.readAt(vm.node, vm.vmid, vm.metadata.key)
          if (now === undefined) {
            throw new AppError({
              code: 'vm-foreign',
              detail: `VM ${vm.vmid} on ${vm.node} is not ${markOf(vm.metadata.key)} any more.`,
            })
          }
          await server.client.put(path, nothing, { ...params, digest: now.config.digest }, { signal })
        },
        { signal },
      )
      return
    } catch (error) {
      // writing the same values again is no second deed
      if (!(mayHaveHappened(error) || isStaleDigest(error)) || round >= rounds) throw error
      await server.clock.wait(Math.max(2, pauseMs * server.pace), signal)
    }
  }
}
