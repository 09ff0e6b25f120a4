import { after, before, beforeEach } from 'node:test'
import { builtTemplate } from '../../template-vm/checks/built-template.ts'
import { createLyingHost, secret, type LyingHost } from './lying-host.ts'
import { createStand, type Stand } from './stand.ts'
import { Terminal } from './terminal.ts'

/** Tar of the guest's root (Debian 13), for `createStand`; FREEHOLD_TEMPLATE_ROOT names another one. */
export async function guestRoot(): Promise<string> {
  return process.env['FREEHOLD_TEMPLATE_ROOT'] ?? (await builtTemplate()).root
}

/**
 * Makes a stand and a host that can tell every lie before the first of the tests that follow, and ends both after the last. Before each
 * of them the host is honest again, and is the one that the stand's guest knows. `take` is called once, before any other hook of the
 * caller's.
 */
export function lyingStand(
  take: (stand: Stand, host: LyingHost) => void,
  rootTar: () => Promise<string | undefined> = () => Promise.resolve(undefined),
): void {
  let stand: Stand
  let host: LyingHost
  before(async () => {
    stand = await createStand(await rootTar())
    host = await createLyingHost(stand.fingerprint)
    take(stand, host)
  })
  beforeEach(async () => {
    host.reset()
    await stand.setFacts(host.facts, secret)
  })
  after(async () => {
    Terminal.stopAll()
    await host?.stop()
    await stand?.stop()
  })
}
