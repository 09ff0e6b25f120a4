import { measureThroughput } from '../../../testing/stands/broker/throughput.ts'
import { row, type Bench } from '../row.ts'

const [least, most] = [5, 10]

/** Needs root, /dev/net/tun, wireguard-go, nftables and python3. The best of each is what each can do. */
export const brokerThroughput: Bench = {
  id: 'broker-throughput',
  about: 'TCP from the Internet through the broker to a VM, against the bare tunnel on the same machine',
  slow: true,
  async run(report) {
    const ratio = ({ bare, whole }: { bare: number[]; whole: number[] }): number => Math.max(...bare) / Math.max(...whole)
    const so = await measureThroughput((now) => now.whole.length >= most || (now.whole.length >= least && ratio(now) <= 1 / 0.9))
    report(`Internet to VM ${so.whole.join(', ')}; bare tunnel ${so.bare.join(', ')} Mbit/s`)
    return [row('bare WireGuard against TCP through the broker', ratio(so), 'times', 1 / 0.9)]
  },
}
