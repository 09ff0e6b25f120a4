import { until } from '@freehold/appliance/dev/supervisor'
import { AppError } from '@freehold/appliance/errors/app-error'
import { far6, prefixOf, startBrokerStand } from './stand.ts'

/** Mbit/s, turn by turn: the bare tunnel, and the whole way from the Internet to a VM. */
export interface Throughput {
  bare: number[]
  whole: number[]
}

/**
 * TCP from the Internet through the broker to a VM, and beside it the bare tunnel: the same one, from the broker itself to the host
 * itself, without firewall, forwarding and anybody's rules. Turn by turn, so that what else the machine does strikes both.
 * @param enough asked after each turn
 */
export async function measureThroughput(enough: (so: Throughput) => boolean): Promise<Throughput> {
  const stand = await startBrokerStand({ brokers: 1, hosts: 1 })
  try {
    const [broker, host] = [stand.brokers[0], stand.hosts[0]]
    if (broker === undefined || host === undefined) throw new AppError({ code: 'process-failed', detail: 'No stand.' })
    await broker.dataPath.apply([stand.lease(0)])
    const vm = await stand.connect(0)
    if (!(await stand.pings(host.vm, far6))) throw new AppError({ code: 'process-failed', detail: 'The tunnel carries nothing.' })
    const script = `${import.meta.dirname}/traffic.py`
    const own = prefixOf(0, 0).replace('::/64', '::1')
    for (const [where, address] of [
      [host.vm, vm],
      [host.namespace, own],
    ] as const) {
      const sink = stand.spawn(where, '/usr/bin/python3', script, 'tcp-sink', address, '9200')
      await until('the sink', 60, async () => sink.text().includes('up'))
    }
    const pump = async (from: string, to: string): Promise<number> =>
      Number((await stand.in(from, '/usr/bin/python3', script, 'tcp-pump', to, '9200', '1.5')).stdout)
    const so: Throughput = { bare: [], whole: [] }
    do {
      so.bare.push(await pump(broker.namespace, own))
      so.whole.push(await pump(stand.inet, vm))
    } while (!enough(so))
    return so
  } finally {
    await stand.stop()
  }
}
