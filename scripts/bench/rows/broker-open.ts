import { parseCidr, parseInterfaceAddress } from 'wireguard-ts/address'
import { WireGuardInterface } from 'wireguard-ts/interface'
import { run } from 'wireguard-ts/run'
import { startUserspaceDaemon } from 'wireguard-ts/userspace-daemon'
import { startTestRegistry } from '@freehold/appliance/broker/test-registry'
import type { Answer } from '@freehold/appliance/broker/requests/answer'
import { AppError } from '@freehold/appliance/errors/app-error'
import { startBrokerStand } from '../../../testing/stands/broker/stand.ts'
import { median, row, type Bench } from '../row.ts'

const turns = 5

/** Needs root, anvil, wireguard-go and nftables. The block with the request is at the giving depth when the time begins. */
export const brokerOpen: Bench = {
  id: 'broker-open',
  about: 'from a request at the giving depth on a real chain to the first answer through the tunnel',
  slow: true,
  async run(report) {
    const stand = await startBrokerStand({ brokers: 1, hosts: 1 })
    const [broker, host] = [stand.brokers[0], stand.hosts[0]]
    if (broker === undefined || host === undefined) throw new AppError({ code: 'process-failed', detail: 'No stand.' })
    const gateway = broker.settings.ownAddress.replace('/128', '')
    const registry = await startTestRegistry({
      packets: {
        dataPath: broker.dataPath,
        pool: broker.settings.pool,
        contact: { wireguardKey: broker.publicKey, endpoint: `${broker.endpoint}:51820`, address: gateway },
      },
    })
    try {
      const whole: number[] = []
      for (let turn = 0; turn < turns; turn += 1) {
        const name = `fbx${process.pid % 100_000}${turn}`
        const daemon = await startUserspaceDaemon(name, { namespace: host.namespace })
        try {
          const face = new WireGuardInterface({ name, device: daemon.device, namespace: host.namespace })
          const id = await registry.askOnChain({ wireguardKey: host.keys.publicKey })
          const began = performance.now()
          await registry.path.pass()
          const granted = performance.now() - began
          const { lease } = (await registry.opened(id)) as Answer
          await face.set({
            privateKey: host.keys.privateKey,
            addresses: [parseInterfaceAddress(lease.prefix.replace('::/64', '::1/128'))],
            routes: [parseCidr(gateway)],
            peers: [
              {
                publicKey: broker.publicKey,
                endpoint: { host: broker.endpoint, port: 51_820 },
                allowedIps: [parseCidr('::/0')],
                persistentKeepaliveSeconds: 25,
              },
            ],
          })
          const ping = await run('ping', ['-6', '-c', '1', '-W', '2', gateway], { namespace: host.namespace })
          if (ping.code !== 0) throw new AppError({ code: 'process-failed', detail: 'The tunnel carried no answer.' })
          whole.push(performance.now() - began)
          report(`granted and answered on chain after ${granted.toFixed(0)} ms, tunnel open after ${whole.at(-1)?.toFixed(0)} ms`)
        } finally {
          await daemon.stop()
        }
        const release = await registry.askOnChain({ verb: 'release', wireguardKey: host.keys.publicKey })
        await registry.path.pass()
        if ((await registry.outcome(release)).outcome !== 2)
          throw new AppError({ code: 'process-failed', detail: 'Not released.' })
      }
      return [row('request at the giving depth to open tunnel', median(whole), 'ms', 300, 0)]
    } finally {
      await registry.close()
      await stand.stop()
    }
  },
}
