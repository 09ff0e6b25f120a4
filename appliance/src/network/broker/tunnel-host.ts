import { lookup } from 'node:dns/promises'
import { parseCidr } from 'wireguard-ts/address'
import { parsePublicKey } from 'wireguard-ts/key'
import { run, runOrFail, type RunOptions } from 'wireguard-ts/run'
import { interfaceOf, namePrefix, tunnelIdOf } from './linux-tunnels.ts'
import type { RootTunnels, TunnelHost } from './ports.ts'
import { probeTimeoutSeconds } from './tunnel-state.ts'

/** What a process without any right does for tunnels (names, pings, what networks there are); the rest is `root`'s. */
export function createTunnelHost(root: RootTunnels, where: RunOptions = {}): TunnelHost {
  return {
    publicKey: async (brokerId) => parsePublicKey((await root.tunnelKey({ id: tunnelIdOf(brokerId) })).publicKey),
    setTunnels: (tunnels) =>
      root.setTunnels({
        tunnels: tunnels.map(({ grant, endpoint }) => ({
          id: tunnelIdOf(grant.broker.id),
          prefix: grant.prefix,
          publicKey: grant.publicKey,
          ...(grant.presharedKey !== undefined && { presharedKey: grant.presharedKey }),
          endpoint,
          gateway: grant.gateway,
          mtu: grant.mtu,
        })),
      }),
    announce: (announcements) => root.announce({ announcements }),
    async probe({ gateway, broker }) {
      const from = ['-I', interfaceOf(tunnelIdOf(broker.id))]
      const wait = ['-c', '1', '-W', String(probeTimeoutSeconds)]
      const { code, stdout } = await run('ping', ['-6', '-n', ...wait, ...from, gateway], where)
      const ms = /time=([\d.]+) ms/.exec(stdout)?.[1]
      return code === 0 && ms !== undefined ? Number(ms) : undefined
    },
    async ownNetworks() {
      const shown = await runOrFail('read addresses', 'ip', ['-json', 'address', 'show'], where)
      const links = JSON.parse(shown) as { ifname: string; addr_info?: { local: string; prefixlen: number; scope: string }[] }[]
      return links
        .filter(({ ifname }) => !ifname.startsWith(namePrefix))
        .flatMap(({ addr_info = [] }) => addr_info.filter((a) => a.scope === 'global'))
        .map((a) => parseCidr(`${a.local}/${a.prefixlen}`))
    },
    lookUp,
  }
}

/** All addresses of a name, within five seconds: a name that resolves late must not hold up the other tunnels. */
async function lookUp(name: string): Promise<string[]> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error('the look-up took too long')), 5000)
  try {
    return (await Promise.race([lookup(name, { all: true }), promise])).map(({ address }) => address)
  } finally {
    clearTimeout(timer)
  }
}
