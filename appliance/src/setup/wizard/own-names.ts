import { hostname, networkInterfaces } from 'node:os'

/**
 * Whether a `Host` header names this machine: one of its addresses, its name, its name in `.local`, or loopback. Before setup
 * there is no other origin; a name that anybody could point here is refused, which is what stops DNS rebinding.
 */
export function isOwnName(host: string): boolean {
  const name = host
    .toLowerCase()
    .replace(/:[0-9]{1,5}$/, '')
    .replaceAll(/[[\]]/g, '')
  if (name === 'localhost') return true
  const own = hostname().toLowerCase()
  if (name === own || name === `${own.split('.')[0]}.local`) return true
  return Object.values(networkInterfaces()).some((list) => (list ?? []).some(({ address }) => address.split('%')[0] === name))
}
