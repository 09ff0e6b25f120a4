import { chmod, mkdir, stat } from 'node:fs/promises'

const shared = 0o2770

/**
 * Makes a folder that daemon and VM user share: its group may write, and new files belong to that group. One that is so already is
 * not touched: the units of an installed host may set no such bit (`RestrictSUIDSGID`), there it comes from the folder above and the
 * umask of the unit; and a folder of the other user could not be changed.
 */
export async function makeSharedFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true })
  if (((await stat(path)).mode & 0o7777) !== shared) await chmod(path, shared)
}
